"""Starts the keeper of a run and takes the nodes it makes."""

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
from continuum.sdk import protocol
from infrastructure.local.keeper.plan import Plan

_MAIN = Path(__file__).parent / "keeper" / "__main__.py"
_BATCH = 64


@dataclass(frozen=True)
class Made:
    """A node as its keeper reports it.

    Attributes:
        name: its name.
        pid: process 1 of the node, in this host's numbers.
        start: when that process began, in clock ticks since boot; with ``pid`` its identity.
    """

    name: str
    pid: int
    start: int


class Launch:
    """A keeper at work: ``nodes`` yields what it makes, ``accept`` makes it stay.

    Args:
        plan: what to make.
        plan_file: where the keeper shall read it.
        log: where it writes what goes wrong.

    Attributes:
        notes: what the keeper had to do otherwise than one would expect, in words.
    """

    def __init__(self, plan: Plan, plan_file: Path, log: Path) -> None:
        self.notes: list[str] = []
        self._plan = plan
        self._log = log
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
            "PATH": os.environ.get("PATH", os.defpath),
        }
        # Ends at once: the keeper is a child of it, so that process 1 is the one to reap the keeper.
        status = subprocess.run(
            argv,
            env=environment,
            pass_fds=[socket_fd],
            stdin=subprocess.DEVNULL,
            stdout=log_fd,
            stderr=log_fd,
            timeout=30,
            check=False,
        ).returncode
        if status:
            raise ProvisionError(f"the nodes' keeper does not start; see {self._log}")

    def nodes(self, take: Callable[[Sequence[Made], Sequence[int]], None]) -> dict[str, Made]:
        """Receive every node and hand them on in batches, with their TUN descriptors.

        Args:
            take: what to do with a batch; the descriptors are closed when it returns.

        Raises:
            ProvisionError: a node could not be made, or the keeper ended or took too long.
        """
        deadline = time.monotonic() + 30 + 0.1 * len(self._plan.nodes)
        made: dict[str, Made] = {}
        while len(made) < len(self._plan.nodes):
            batch: list[Made] = []
            with _closed_after() as descriptors:
                while len(batch) < _BATCH and len(made) + len(batch) < len(self._plan.nodes):
                    batch.append(self._receive(deadline, descriptors))
                take(batch, descriptors)
            made.update((node.name, node) for node in batch)
        return made

    def _receive(self, deadline: float, descriptors: list[int]) -> Made:
        self._channel.settimeout(max(0.001, deadline - time.monotonic()))
        try:
            raw, received, _, _ = socket.recv_fds(self._channel, 1 << 16, 4)
        except TimeoutError:
            msg = f"the nodes were not ready in time; see {self._log}"
            raise ProvisionError(msg) from None
        descriptors += received
        if not raw:
            msg = f"the nodes' keeper ended early; see {self._log}"
            raise ProvisionError(msg)
        message = json.loads(raw)
        if "note" in message:
            self.notes.append(message["note"])
            return self._receive(deadline, descriptors)
        if "error" in message:
            raise ProvisionError(f"{message['name'] or 'the nodes'}: {message['error']}")
        return Made(message["name"], message["pid"], message["start"])

    def accept(self) -> None:
        """Let the nodes outlive this process."""
        self._channel.send(b"done")

    def close(self) -> None:
        """Give up the keeper; unless accepted, it ends and all nodes with it."""
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
    """Descriptors in flight count against the soft limit, which is often 1,024."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
