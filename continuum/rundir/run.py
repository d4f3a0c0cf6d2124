"""One run: its folder, its journal, its lock and its state."""

from __future__ import annotations

import fcntl
import os
import re
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

from continuum.errors import HostError, UsageError
from continuum.host.files import read_json, write_json
from continuum.rundir import index
from continuum.rundir.journal import NAME as JOURNAL
from continuum.rundir.journal import Journal

if TYPE_CHECKING:
    from continuum.model.config import Config

RUNS = "runs"
DAMAGED = "damaged"
"""Status of a run whose ``state.json`` cannot be read. Its journal tells what it owns."""

_RECORDING = threading.Lock()
_FILES = ("config.cfg", JOURNAL, "state.json")


class Run:
    """A run's folder and everything that is kept in it.

    Attributes:
        id: unique on this host, the name of the folder.
        directory: absolute path of the folder.
        tell: takes a line for the user about what is going on; says nothing unless it is replaced.
    """

    def __init__(
        self, directory: Path, config: Config | None = None, parse: Callable[[str, str], Config] | None = None
    ) -> None:
        self.id = directory.name
        self.directory = directory
        self.tell: Callable[[str], None] = lambda _line: None
        self.journal = Journal(directory)
        self._config = config
        self._parse = parse
        self._lock: int | None = None
        self._claim: socket.socket | None = None

    @property
    def config(self) -> Config:
        """The config the run was made from; a run that was opened again parses its copy at the first use."""
        if self._config is None:
            if self._parse is None:
                raise RuntimeError(f"run {self.id} was opened without a parser of its config")
            # Relative paths in it start from where the user keeps it, not from our copy.
            text = (self.directory / "config.cfg").read_text(encoding="utf-8")
            self._config = self._parse(text, self.state().get("config_path", "config.cfg"))
        return self._config

    @property
    def seed(self) -> int:
        """The seed of everything random in the run."""
        return self.config.run.integer("seed")

    def own(self, kind: str, ident: str) -> None:
        """Write down that the run is about to create this; must come before the creation."""
        self.journal.add([(kind, ident)])

    def own_all(self, entries: Iterable[tuple[str, str]]) -> None:
        """The same for many at once."""
        self.journal.add(entries)

    def owned(self) -> tuple[tuple[str, str], ...]:
        """Every (kind, id) this run has ever owned."""
        return self.journal.entries()

    def log(self, phase: str) -> Path:
        """The log file of a phase."""
        logs = self.directory / "logs"
        logs.mkdir(mode=0o700, exist_ok=True)
        return logs / f"{phase}.log"

    def note(self, text: str) -> None:
        """Keep a remark that belongs into the result, once."""
        notes = self.notes()
        if text not in notes:
            write_json(self.directory / "notes.json", [*notes, text])

    def notes(self) -> tuple[str, ...]:
        """The remarks kept so far."""
        return tuple(read_json(self.directory / "notes.json", default=[]))

    def record(self, table: str, **row: Any) -> None:
        """Add a row of plain JSON values to a table of the run; from any thread."""
        with _RECORDING:
            write_json(self.directory / f"{table}.json", [*self.records(table), row])

    def records(self, table: str) -> tuple[dict[str, Any], ...]:
        """The rows of a table, in the order they came."""
        return tuple(read_json(self.directory / f"{table}.json", default=[]))

    def state(self) -> dict[str, Any]:
        """What is known of the run: status, provider, engine, nodes; only a status if the file is damaged."""
        try:
            return dict(read_json(self.directory / "state.json", default={}))
        except (OSError, ValueError, TypeError):
            return {"status": DAMAGED}

    def update_state(self, **changes: Any) -> None:
        """Replace some entries of the state, atomically."""
        write_json(self.directory / "state.json", {**self.state(), **changes})

    def lock(self) -> None:
        """Become the one process that works on this run; UsageError names the other one."""
        descriptor = os.open(self.directory / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(descriptor, 32, 0).decode().strip()
            os.close(descriptor)
            msg = f"run {self.id} is in use by process {holder or '?'}; interrupt that one first"
            raise UsageError(msg) from None
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, str(os.getpid()).encode(), 0)
        self._lock = descriptor

    def hold(self, claim: socket.socket) -> None:
        """Keep the claim on its id, as ``index.claim_on_host`` gave it, as long as this object is there."""
        self._claim = claim

    def unlock(self) -> None:
        """Let others work on this run."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None


def create(config: Config) -> Run:
    """Make the folder of a new run, entered in the index and locked.

    Raises HostError when the folder cannot be made.
    """
    base = config.infrastructure.path("base_path") or Path.cwd()
    parent = base.expanduser().absolute() / RUNS
    try:
        directory, claim = _fresh_directory(parent, _slug(config.run.maybe_text("name") or config.path.stem))
        (directory / "config.cfg").write_text(config.text, encoding="utf-8")
        run = Run(directory, config)
        run.lock()
        run.hold(claim)
        run.update_state(
            schema=1,
            run_id=run.id,
            status="created",
            created_at=time.time(),
            config_path=str(config.path.absolute()),
        )
    except OSError as error:
        msg = (
            f"{parent}: cannot keep the run there ({error.strerror}); set base_path to a folder you may write"
        )
        raise HostError(msg) from error
    return run


def load(directory: Path, parse: Callable[[str, str], Config] | None = None) -> Run:
    """The run kept in a folder.

    Args:
        directory: the folder.
        parse: reads the run's config from its text and path, when it is first used.

    Raises:
        UsageError: the folder holds no run.
    """
    if not is_run(directory):
        msg = f"{directory}: not a run directory (none of {', '.join(_FILES)} in it)"
        raise UsageError(msg)
    return Run(directory.absolute(), parse=parse)


def is_run(directory: Path) -> bool:
    """Whether a folder holds a run, maybe a damaged one."""
    return any((directory / name).is_file() for name in _FILES)


def find(name: str) -> Path:
    """The folder of a run given by id, by the start of its id, or by path.

    Raises UsageError when there is none or more than one.
    """
    path = Path(name)
    if is_run(path):
        return path.absolute()
    known = {run_id: directory for run_id, directory in index.entries() if directory.is_dir()}
    here = Path.cwd() / RUNS / name
    if name in known:
        return known[name]
    if is_run(here):
        return here
    matches = [run_id for run_id in known if name in run_id]
    if len(matches) == 1:
        return known[matches[0]]
    found = f"it could be {', '.join(matches)}" if matches else "see `continuum list`"
    msg = f"no run {name!r}; {found}"
    raise UsageError(msg)


def all_runs() -> Iterator[tuple[str, Path]]:
    """This user's runs whose folders still exist."""
    for run_id, directory in index.entries():
        if directory.is_dir():
            yield run_id, directory


def _fresh_directory(parent: Path, name: str) -> tuple[Path, socket.socket]:
    """Make ``<UTC time>-<name>`` below ``parent``, with a number behind it while that is taken on this host.

    Two runs of one id would take each other's processes and containers for their own.
    """
    parent.mkdir(parents=True, exist_ok=True)
    stamp = datetime.now(timezone.utc).strftime("%Y%m%d-%H%M%S")
    for attempt in range(1, 1000):
        run_id = f"{stamp}-{name}" + (f"-{attempt}" if attempt > 1 else "")
        directory = parent / run_id
        if directory.exists() or (claim := index.claim_on_host(run_id)) is None:
            continue
        if not index.claim(run_id, directory):
            claim.close()
            continue
        directory.mkdir(mode=0o700)
        return directory, claim
    msg = f"{parent}: a thousand runs named {name} within one second"
    raise HostError(msg)


def _slug(name: str) -> str:
    """A name that is fit for files, control groups and host names."""
    return re.sub(r"[^A-Za-z0-9]+", "-", name).strip("-")[:40] or "run"
