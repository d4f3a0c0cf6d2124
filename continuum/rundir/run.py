"""A run: its folder, journal, lock and state."""

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
"""Status of a run whose ``state.json`` cannot be read; its journal lists the resources it owns."""

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
        """The config of the run; a run that was opened again parses its copy at the first access."""
        if self._config is None:
            if self._parse is None:
                raise RuntimeError(f"run {self.id} was opened without a parser of its config")
            # Relative paths in it start from where the user keeps it, not from our copy.
            text = (self.directory / "config.cfg").read_text(encoding="utf-8")
            self._config = self._parse(text, self.state().get("config_path", "config.cfg"))
        return self._config

    @property
    def seed(self) -> int:
        """The seed of all random numbers in the run."""
        return self.config.run.integer("seed")

    def own(self, kind: str, ident: str) -> None:
        """Record a resource that the run is about to create; must precede the creation."""
        self.journal.add([(kind, ident)])

    def own_all(self, entries: Iterable[tuple[str, str]]) -> None:
        """Record several resources."""
        self.journal.add(entries)

    def owned(self) -> tuple[tuple[str, str], ...]:
        """Every (kind, id) that this run has recorded."""
        return self.journal.entries()

    def log(self, phase: str) -> Path:
        """The log file of a phase."""
        logs = self.directory / "logs"
        logs.mkdir(mode=0o700, exist_ok=True)
        return logs / f"{phase}.log"

    def note(self, text: str) -> None:
        """Add a remark to the result, unless it is already there."""
        notes = self.notes()
        if text not in notes:
            write_json(self.directory / "notes.json", [*notes, text])

    def notes(self) -> tuple[str, ...]:
        """The remarks so far."""
        return tuple(read_json(self.directory / "notes.json", default=[]))

    def record(self, table: str, **row: Any) -> None:
        """Add a row of JSON values to a table of the run. Thread-safe."""
        with _RECORDING:
            write_json(self.directory / f"{table}.json", [*self.records(table), row])

    def records(self, table: str) -> tuple[dict[str, Any], ...]:
        """The rows of a table, in the order of addition."""
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
        """Lock the run for this process; UsageError if another process holds the lock."""
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
        """Keep the reservation of its id (``index.claim_on_host``) as long as this object exists."""
        self._claim = claim

    def unlock(self) -> None:
        """Release the lock."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None


def create(config: Config) -> Run:
    """Create the folder of a new run, add it to the index, and lock it.

    Raises:
        HostError: the folder cannot be created.
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
        msg = f"{parent}: cannot write the run there ({error.strerror}); set base_path to a writable folder"
        raise HostError(msg) from error
    return run


def load(directory: Path, parse: Callable[[str, str], Config] | None = None) -> Run:
    """Open the run in a folder.

    Args:
        directory: the folder.
        parse: reads the run's config from its text and path, at the first access.

    Raises:
        UsageError: the folder is not a run directory.
    """
    if not is_run(directory):
        msg = f"{directory}: not a run directory (none of {', '.join(_FILES)} in it)"
        raise UsageError(msg)
    return Run(directory.absolute(), parse=parse)


def is_run(directory: Path) -> bool:
    """Whether a folder is a run directory, even a damaged one."""
    return any((directory / name).is_file() for name in _FILES)


def find(name: str) -> Path:
    """The folder of a run given by id, by a unique part of its id, or by path.

    Raises:
        UsageError: no run matches, or more than one.
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
    """This user's runs with existing folders."""
    for run_id, directory in index.entries():
        if directory.is_dir():
            yield run_id, directory


def _fresh_directory(parent: Path, name: str) -> tuple[Path, socket.socket]:
    """Create ``<UTC time>-<name>`` in ``parent``, with a number appended if that id is in use on this host.

    Runs with the same id would mistake each other's processes and containers for their own.
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
    """Convert a name to one that is valid for files, control groups and host names."""
    return re.sub(r"[^A-Za-z0-9]+", "-", name).strip("-")[:40] or "run"
