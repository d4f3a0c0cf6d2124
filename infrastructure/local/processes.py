"""Finds and kills the processes of a run, by their environment.

Every process of a run has the run's id in its environment (``protocol.ENV_RUN``); those of its nodes have one
of ``MARKS``, too. The journal has no process ids, since the kernel reuses them.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from continuum.errors import ProvisionError
from continuum.host import namespaces, pidfd
from continuum.rundir import index
from continuum.sdk import protocol

MARKS = (protocol.ENV_KEEPER, protocol.ENV_NODE)
MAIN_KEEPER = "continuum-keep"
"""Name of the process that is the ancestor of all others of a run's nodes."""

_POLL_S = 0.004


@dataclass(frozen=True)
class Labelled:
    """A process with a run's id in its environment.

    Attributes:
        pid: its id.
        run_id: the run it belongs to.
        directory: the run's folder, if it is in the environment.
        in_nodes: whether it belongs to a node or is a keeper.
        name: its name.
        origin: the namespaces of the orchestrator, if they are in the environment.
        state: the state folder that the user had chosen; empty for the default.
    """

    pid: int
    run_id: str
    directory: str
    in_nodes: bool
    name: str
    origin: str
    state: str


def labelled(run_id: str | None = None) -> Iterator[Labelled]:
    """This user's processes that belong to a run, or to any run."""
    needle = f"{protocol.ENV_RUN}={run_id}" if run_id else f"{protocol.ENV_RUN}="
    for pid, raw in _environments():
        if needle.encode() not in raw:
            continue
        environment = dict(item.partition("=")[::2] for item in os.fsdecode(raw).split("\0") if "=" in item)
        if run_id is None or environment.get(protocol.ENV_RUN) == run_id:
            yield Labelled(
                pid,
                environment.get(protocol.ENV_RUN, ""),
                environment.get(protocol.ENV_KEEPER) or environment.get(protocol.ENV_RUN_DIRECTORY, ""),
                any(mark in environment for mark in MARKS),
                _name(pid),
                environment.get(protocol.ENV_ORIGIN, ""),
                environment.get(index.STATE_VARIABLE, ""),
            )


def _environments() -> Iterator[tuple[int, bytes]]:
    for entry in os.listdir("/proc"):  # noqa: PTH208 - a thousand nodes make thousands of entries
        if entry.isdigit():
            try:
                descriptor = os.open(f"/proc/{entry}/environ", os.O_RDONLY | os.O_CLOEXEC)
            except OSError:
                continue  # has ended, or belongs to another user
            with contextlib.suppress(OSError), os.fdopen(descriptor, "rb", buffering=0) as file:
                yield int(entry), file.read()


def _name(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""


def end_all(
    run_id: str,
    *,
    also_outside_nodes: bool = False,
    release: Callable[[], None] = lambda: None,
    timeout_s: float = 20.0,
) -> None:
    """Kill every process of a run's nodes and wait until they are gone.

    The main keeper is killed last: it adopts the others when their parent ends, so that no zombie remains if
    process 1 of the host does not reap its children.

    Args:
        run_id: the run.
        also_outside_nodes: kill other processes of the run, too, except this one and its ancestors.
        release: lets processes end that are stopped; called after each attempt.
        timeout_s: time limit.

    Raises:
        ProvisionError: some still exist after ``timeout_s``.
    """
    spared = _ancestors()
    deadline = time.monotonic() + timeout_s
    dying: set[int] = set()
    while True:
        found = [
            one for one in labelled(run_id) if one.pid not in spared and (one.in_nodes or also_outside_nodes)
        ]
        under = [one for one in found if one.name != MAIN_KEEPER]
        dying |= {one.pid for one in found}
        dying = {pid for pid in dying if is_alive(pid)}
        if not dying:
            return
        if time.monotonic() > deadline:
            msg = f"run {run_id}: processes {_listed(dying)} cannot be killed; see: ps -o pid,stat,wchan,cmd"
            raise ProvisionError(msg)
        mains = {one.pid for one in found} - {one.pid for one in under}
        for pid in [one.pid for one in under] or (mains if dying <= mains else ()):
            pidfd.send(pid, signal.SIGKILL, lambda one: is_of_run(one, run_id))
        release()
        time.sleep(_POLL_S)


def is_of_run(pid: int, run_id: str) -> bool:
    """Whether a process has the mark of a run."""
    return pidfd.has_in_environment(pid, f"{protocol.ENV_RUN}={run_id}")


def runs() -> tuple[dict[str, str], frozenset[str]]:
    """This user's runs that have processes, with their folders; and the ids of all other runs that have some.

    Others are those of other users, those with another state folder (``index.chosen_state``), and those that
    were started in other namespaces, as in a container. A run of which no process has the variable for its
    folder is of another machine, of which this host is a node.
    """
    found = list(labelled())
    state = index.chosen_state()
    named = [one for one in found if one.directory and one.state == state and _is_own(one.pid)]
    pids = {one.pid for one in found}
    elsewhere = {name for name in {one.origin for one in named} if namespaces.is_elsewhere(name, pids)}
    own = {one.run_id: one.directory for one in named if one.origin not in elsewhere}
    return own, frozenset({one.run_id for one in found} - own.keys())


def _is_own(pid: int) -> bool:
    try:
        return os.stat(f"/proc/{pid}").st_uid == os.geteuid()  # noqa: PTH116
    except OSError:
        return False


def _listed(pids: set[int]) -> str:
    return ", ".join(str(pid) for pid in sorted(pids)[:10])


def is_alive(pid: int) -> bool:
    """Whether a process exists and is not a zombie."""
    status = stat_fields(pid)
    return bool(status) and status[0] not in {"Z", "X"}


def stat_fields(pid: int) -> list[str]:
    """The fields of ``/proc/<pid>/stat`` from the state (field 3) on; empty if there is no such process."""
    try:
        raw = Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:
        return []
    return raw.rpartition(b")")[2].decode("ascii").split()


def _ancestors() -> set[int]:
    """This process and its ancestors."""
    found = {0, 1}
    pid = os.getpid()
    while pid not in found:
        found.add(pid)
        fields = stat_fields(pid)
        pid = int(fields[1]) if fields else 0
    return found
