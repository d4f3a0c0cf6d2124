"""Starts the measuring agents on nodes, sends them commands and reads their answers."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

from continuum.connection.base import Process
from continuum.connection.deployment import Deployment
from continuum.errors import ConnectionFailure, ProvisionError

T = TypeVar("T")

START_TIMEOUT_S = 30.0
ANSWER_TIMEOUT_S = 15.0
"""Time-out for an answer, in addition to the duration of the command."""

_POLL_S = 0.004

PROGRAM = Path(__file__).parent / "node_agent.py"


@dataclass
class Agent:
    """The agent on one node.

    Attributes:
        node: the node's name.
        address: its address on the links.
        process: the running agent.
        log: file with its answers.
        read: bytes of the log that were read.
        ports: its ``udp`` and ``tcp`` ports.
        answers: answers that were not consumed yet.
    """

    node: str
    address: str
    process: Process
    log: Path
    read: int = 0
    ports: dict[str, int] = field(default_factory=dict)
    answers: list[dict[str, Any]] = field(default_factory=list)

    def tell(self, do: str, **arguments: Any) -> None:
        """Send a command."""
        self.process.write((json.dumps({"do": do, **arguments}) + "\n").encode())

    def listen(self) -> None:
        """Read new answers; ProvisionError if the agent has ended."""
        ended = self.process.poll()
        with suppress(FileNotFoundError), self.log.open("rb") as file:
            file.seek(self.read)
            data = file.read()
            whole = data[: data.rfind(b"\n") + 1]
            self.read += len(whole)
            self.answers += [json.loads(line) for line in whole.splitlines() if line.startswith(b"{")]
        if ended is not None:
            tail = self.log.read_text(encoding="utf-8", errors="replace").strip().splitlines()[-1:]
            raise ProvisionError(f"verify: the agent on {self.node} ended: {''.join(tail) or ended}")

    def take(self, key: str, value: int) -> dict[str, Any] | None:
        """Consume the answer in which ``key`` has this value; None if it has not arrived."""
        for answer in self.answers:
            if answer.get(key) == value:
                self.answers.remove(answer)
                return answer
        return None


class Agents:
    """Agents on nodes; a context manager that ends them.

    Args:
        deployment: the nodes.
        nodes: names of the nodes that get an agent.
        logs: folder for their output.
        program: source of the agent.
        log_name: start of the names of their log files.
    """

    def __init__(
        self,
        deployment: Deployment,
        nodes: Iterable[str],
        logs: Path,
        program: Path = PROGRAM,
        log_name: str = "verify",
    ) -> None:
        source = program.read_text(encoding="utf-8")
        self._log_name = log_name
        self._agents: dict[str, Agent] = {}
        try:
            for name in dict.fromkeys(nodes):
                self._agents[name] = self._start(deployment, name, source, logs)
            for agent in self._agents.values():
                agent.ports = self.wait(lambda agent=agent: _ports(agent), START_TIMEOUT_S)  # type: ignore[misc]
        except BaseException:
            self.close()
            raise

    def _start(self, deployment: Deployment, name: str, source: str, logs: Path) -> Agent:
        node, connection = deployment.node(name), deployment.connections[name]
        log = logs / f"{self._log_name}-{name}.log"
        read = log.stat().st_size if log.exists() else 0
        argv = (node.python, "-I", "-S", "-c", source, node.address)
        process = connection.start(argv, env={}, log=log, limits=None)
        return Agent(name, node.address, process, log, read)

    def __enter__(self) -> Agents:  # noqa: PYI034 (Self is newer than Python 3.10)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __getitem__(self, node: str) -> Agent:
        return self._agents[node]

    def answer(self, node: str, key: str, value: int, within_s: float) -> dict[str, Any]:
        """Wait for the answer of a node in which ``key`` has this value.

        Args:
            node: name of the node.
            key: key that identifies the answer.
            value: value of that key.
            within_s: duration of the command itself.
        """
        agent = self._agents[node]
        found: dict[str, Any] = self.wait(lambda: agent.take(key, value), within_s + ANSWER_TIMEOUT_S)
        return found

    def wait(self, find: Callable[[], T | None], timeout_s: float) -> T:
        """Read answers of all agents until ``find`` returns a result; ProvisionError after the time-out."""
        deadline = time.monotonic() + timeout_s
        while True:
            for agent in self._agents.values():
                agent.listen()
            found = find()
            if found is not None:
                return found
            if time.monotonic() > deadline:
                raise ProvisionError(f"verify: an agent did not answer within {timeout_s:g} s")
            time.sleep(_POLL_S)

    def close(self) -> None:
        """End all agents."""
        for agent in self._agents.values():
            with suppress(ConnectionFailure, OSError):
                agent.process.kill()
        for agent in self._agents.values():
            with suppress(ConnectionFailure, OSError):
                agent.process.wait(5.0)


def _ports(agent: Agent) -> dict[str, int] | None:
    return next((answer for answer in agent.answers if "udp" in answer), None)
