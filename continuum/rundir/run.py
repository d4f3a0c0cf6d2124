"""A run: its folder, journal, lock and state."""

from __future__ import annotations

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
from continuum.host import trusted_path
from continuum.host.files import explain, read_json, read_regular, sync_folder, write_atomically, write_json
from continuum.rundir import index, run_lock
from continuum.rundir.journal import NAME as JOURNAL
from continuum.rundir.journal import Journal

if TYPE_CHECKING:
    from continuum.model.config import Config

RUNS = "runs"
DAMAGED = "damaged"
"""Status of a run whose ``state.json`` cannot be read; its journal lists the resources it owns."""

_RECORDING = threading.Lock()
_FILES = ("config.cfg", JOURNAL, "state.json")
_WRITTEN = ("logs", "plots", "report")
"""Folders of a run in which reports are written."""

_TYPES = {
    "status": str,
    "provider": str,
    "engine": str,
    "directory": str,
    "config_path": str,
    "nodes": list,
    "links": list,
    "native_delays_ms": list,
}
"""Types of entries of ``state.json``; one with another type is damage."""


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
            path = self.directory / "config.cfg"
            try:
                text = read_regular(path).decode("utf-8")
            except (OSError, ValueError) as error:
                raise UsageError(f"{path}: cannot be read: {error}") from error
            # Relative paths in it start from where the user keeps it, not from our copy.
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
        """The log file of a phase.

        Raises:
            HostError: the file or its folder is a symbolic link.
        """
        logs = self.directory / "logs"
        logs.mkdir(mode=0o700, exist_ok=True)
        file = logs / f"{phase}.log"
        if link := next((path for path in (logs, file) if path.is_symlink()), None):
            raise HostError(f"{link}: is a symbolic link, which nothing in a run's folder may be; remove it")
        return file

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
        """What is known of the run: status, provider, engine, nodes; without what is damaged.

        The status is ``DAMAGED`` if anything is.
        """
        try:
            state = read_json(self.directory / "state.json", default={})
        except (OSError, ValueError):
            return {"status": DAMAGED}
        if not isinstance(state, dict):
            return {"status": DAMAGED}
        wrong = [name for name, kind in _TYPES.items() if name in state and not isinstance(state[name], kind)]
        sound = {name: value for name, value in state.items() if name not in wrong}
        return {**sound, "status": DAMAGED} if wrong else sound

    def update_state(self, **changes: Any) -> None:
        """Replace some entries of the state, atomically."""
        write_json(self.directory / "state.json", {**self.state(), **changes})

    def lock(self) -> None:
        """Lock the run for this process; UsageError if another process holds the lock."""
        self._lock = run_lock.acquire(self.directory, self.id)

    def hold(self, claim: socket.socket) -> None:
        """Keep the reservation of its id (``index.claim_on_host``) while this object exists.

        Processes that hold nodes and links inherit it: as long as one exists, no other run that begins in the
        same second gets the id, by which they are found and killed.
        """
        claim.set_inheritable(True)
        self._claim = claim

    def inherited(self) -> tuple[int, ...]:
        """Descriptors that processes which outlive this one inherit: the reservation of the id."""
        return () if self._claim is None else (self._claim.fileno(),)

    def unlock(self) -> None:
        """Release the lock."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None


def create(config: Config) -> Run:
    """Create the folder of a new run, add it to the index, and lock it.

    Raises:
        HostError: the folder cannot be created, or another user can replace it.
    """
    base = config.infrastructure.path("base_path") or Path.cwd()
    parent = base.expanduser().absolute() / RUNS
    try:
        parent.mkdir(parents=True, exist_ok=True)
        parent = trusted_path.require_own_folder(parent)
        directory, claim = _fresh_directory(parent, _slug(config.run.maybe_text("name") or config.path.stem))
        write_atomically(directory / "config.cfg", config.text)
        run = Run(directory, config)
        run.lock()
        run.hold(claim)
        run.update_state(
            schema=1,
            run_id=run.id,
            status="created",
            created_at=time.time(),
            config_path=str(config.path.absolute()),
            directory=str(directory),
        )
        sync_folder(directory)
        sync_folder(parent)
    except OSError as error:
        msg = f"{parent}: cannot write the run there ({explain(error)}); set base_path to a writable folder"
        raise HostError(msg) from error
    return run


def load(directory: Path, parse: Callable[[str, str], Config] | None = None) -> Run:
    """Open the run in a folder.

    Args:
        directory: the folder.
        parse: reads the run's config from its text and path, at the first access.

    Raises:
        UsageError: the folder is not a run directory.
        HostError: it belongs to another user, or another user can replace it.
    """
    if not is_run(directory):
        msg = f"{directory}: not a run directory (none of {', '.join(_FILES)} in it)"
        raise UsageError(msg)
    return Run(trusted_path.require_own_folder(directory), parse=parse)


def require_no_links(directory: Path) -> None:
    """HostError if a file or folder of a run is a symbolic link, through which a report would be written."""
    folders = [directory, *(directory / name for name in _WRITTEN)]
    real = [folder for folder in folders if folder.is_dir() and not folder.is_symlink()]
    if link := next((entry for folder in real for entry in folder.iterdir() if entry.is_symlink()), None):
        raise HostError(f"{link}: refused, since it is a symbolic link; remove it")


def original_of(run: Run) -> Path | None:
    """The folder of which a run's folder is a copy; None if it is the run itself, even if moved."""
    named = [run.state().get("directory"), index.directory_of(run.id)]
    for directory in (Path(name) for name in named if name):
        if is_run(directory) and not directory.samefile(run.directory):
            return directory
    return None


def is_run(directory: Path) -> bool:
    """Whether a folder is a run directory, even a damaged one."""
    return any(os.path.lexists(directory / name) for name in _FILES)


def find(name: str) -> Path:
    """The folder of a run given by id, by a unique part of its id, or by path.

    Raises:
        UsageError: no run matches, or more than one.
        HostError: the folder belongs to another user, or another user can replace it.
    """
    return trusted_path.require_own_folder(_find(name))


def _find(name: str) -> Path:
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
