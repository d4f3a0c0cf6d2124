"""Starts the keeper of a run and receives the nodes that it creates."""

from __future__ import annotations

import contextlib
import json
import os
import resource
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from continuum.errors import ProvisionError
from continuum.host import namespaces
from continuum.rundir import index
from continuum.sdk import protocol
from infrastructure.local.keeper.keeper_plan import KeeperPlan

_MAIN = Path(__file__).parent / "keeper" / "__main__.py"
_BATCH = 64


@dataclass(frozen=True)
class StartedNode:
    """A node, as reported by its keeper.

    Attributes:
        name: its name.
        pid: process id, on this host, of the node's process 1.
        start: start time of that process, in clock ticks since boot; identifies it together with ``pid``.
    """

    name: str
    pid: int
    start: int


class Launch:
    """A keeper that starts: ``nodes`` receives what it creates, ``accept`` lets it outlive this process.

    Args:
        plan: the nodes to create.
        plan_file: file to pass the plan to the keeper.
        log: file for its error messages.
        inherited: descriptors that it keeps open, see ``Run.inherited``.

    Attributes:
        notes: deviations that belong in the result, one sentence each.
    """

    def __init__(self, plan: KeeperPlan, plan_file: Path, log: Path, inherited: Sequence[int] = ()) -> None:
        self.notes: list[str] = []
        self._plan = plan
        self._log = log
        self._inherited = tuple(inherited)
        _allow_many_files()
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._channel = ours
        try:
            with theirs, log.open("ab") as file:
                plan_file.write_text(plan.to_json(), encoding="utf-8")
                self._start(theirs.fileno(), plan_file, file.fileno())
        except BaseException:
            ours.close()
            raise

    def _start(self, socket_fd: int, plan_file: Path, log_fd: int) -> None:
        argv = [sys.executable, "-I", "-S", str(_MAIN), str(socket_fd), str(plan_file), self._plan.run_id]
        environment = {
            protocol.ENV_RUN: self._plan.run_id,
            protocol.ENV_KEEPER: self._plan.directory,
            protocol.ENV_ORIGIN: namespaces.origin(),
            **index.state_variable(),
            "PATH": os.environ.get("PATH", os.defpath),
        }
        # The keeper is a grandchild, so that process 1 adopts and reaps it.
        status = subprocess.run(
            argv,
            env=environment,
            pass_fds=[socket_fd, *self._inherited],
            stdin=subprocess.DEVNULL,
            stdout=log_fd,
            stderr=log_fd,
            timeout=30,
            check=False,
        ).returncode
        if status:
            raise ProvisionError(f"the keeper of the nodes did not start; see {self._log}")

    def nodes(self, take: Callable[[Sequence[StartedNode], Sequence[int]], None]) -> dict[str, StartedNode]:
        """Receive all nodes and pass them on in batches, with the descriptors of their TUN devices.

        Args:
            take: called with each batch; the descriptors are closed when it returns.

        Raises:
            ProvisionError: a node cannot be created, or the keeper ends early or takes too long.
        """
        deadline = time.monotonic() + 30 + 0.1 * len(self._plan.nodes)
        made: dict[str, StartedNode] = {}
        while len(made) < len(self._plan.nodes):
            batch: list[StartedNode] = []
            with _closed_after() as descriptors:
                while len(batch) < _BATCH and len(made) + len(batch) < len(self._plan.nodes):
                    batch.append(self._receive(deadline, descriptors))
                take(batch, descriptors)
            made.update((node.name, node) for node in batch)
        return made

    def _receive(self, deadline: float, descriptors: list[int]) -> StartedNode:
        self._channel.settimeout(max(0.001, deadline - time.monotonic()))
        try:
            raw, received, _, _ = socket.recv_fds(self._channel, 1 << 16, 4)
        except TimeoutError:
            msg = f"the nodes were not ready within the time limit; see {self._log}"
            raise ProvisionError(msg) from None
        descriptors += received
        if not raw:
            msg = f"the keeper of the nodes ended early; see {self._log}"
            raise ProvisionError(msg)
        message = json.loads(raw)
        if "note" in message:
            self.notes.append(message["note"])
            return self._receive(deadline, descriptors)
        if "error" in message:
            raise ProvisionError(f"{message['name'] or 'the nodes'}: {message['error']}")
        return StartedNode(message["name"], message["pid"], message["start"])

    def accept(self) -> None:
        """Let the nodes outlive this process."""
        self._channel.send(b"done")

    def close(self) -> None:
        """Close the channel to the keeper; unless ``accept`` was called, it ends together with all nodes."""
        self._channel.close()


@contextlib.contextmanager
def _closed_after() -> Iterator[list[int]]:
    descriptors: list[int] = []
    try:
        yield descriptors
    finally:
        for descriptor in descriptors:
            os.close(descriptor)


def _allow_many_files() -> None:
    """Raise the soft limit, which is often 1,024; descriptors in flight count, too."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
