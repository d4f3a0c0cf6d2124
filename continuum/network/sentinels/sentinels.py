"""Sends sentinel probes between tiers while a load runs, and collects their delays."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

from continuum.connection.deployment import Deployment
from continuum.model.topology import Link
from continuum.network.engine import Engine
from continuum.network.verification.agents import Agents
from continuum.rundir.run import Run

PROGRAM = Path(__file__).parent / "node_agent.py"
LEAST_INTERVAL_S = 0.1
MOST_PER_SECOND = 15.0
"""Probes of all pairs together; with two ordered pairs or more, each has fewer than ten a second."""


@dataclass(frozen=True)
class Probe:
    """One probe that arrived.

    Attributes:
        src: tier that sent it.
        dst: tier that received it.
        sent_s: when it was sent, on CLOCK_MONOTONIC.
        delay_ms: its one-way delay.
        intended_ms: the delay that the engine had chosen for it, with the queue of its link.
    """

    src: str
    dst: str
    sent_s: float
    delay_ms: float
    intended_ms: float


@dataclass(frozen=True)
class _Pair:
    link: Link
    src: str
    dst: str
    stream: int


class Sentinels:
    """Probes on one pair of nodes of each ordered pair of tiers.

    Attributes:
        cpu_s: CPU time that the agents on the nodes have used since ``begin``, as of the last collection.

    Args:
        deployment: the nodes; all must read the clock of this host.
        run: the run.
        engine: the engine, which must tell what it intended (``Engine.expect_probes``).

    Raises:
        ContinuumError: an agent or the engine does not answer. All methods raise it as well.
    """

    def __init__(self, deployment: Deployment, run: Run, engine: Engine) -> None:
        self._engine, self._run = engine, run
        self.cpu_s = self._started_cpu_s = 0.0
        self._pairs = {pair.stream: pair for pair in _pairs(deployment)}
        self._ahead_s = time.time() - time.monotonic()
        self._intended: dict[tuple[int, int], float] = {}
        self._reports = count(1)
        nodes = [name for pair in self._pairs.values() for name in (pair.src, pair.dst)]
        self._nodes = tuple(dict.fromkeys(nodes))
        self._agents = Agents(
            deployment, self._nodes, run.log("sentinels").parent, program=PROGRAM, log_name="sentinels"
        )

    def close(self) -> None:
        """End the probes."""
        self._agents.close()

    def begin(self) -> None:
        """Send the first probes."""
        agents, pairs = self._agents, self._pairs.values()
        expected = [(pair.src, pair.dst, agents[pair.dst].ports["udp"]) for pair in pairs]
        self._engine.expect_probes(self._run, expected)
        self._started_cpu_s = sum(answer["cpu_s"] for answer in self._ask())
        interval_s = max(LEAST_INTERVAL_S, len(self._pairs) / MOST_PER_SECOND)
        for pair in pairs:
            to = [agents[pair.dst].address, agents[pair.dst].ports["udp"]]
            agents[pair.src].tell("send", stream=pair.stream, to=to, interval_s=interval_s)

    def collect(self) -> list[Probe]:
        """The probes that arrived since the last call."""
        answers = self._ask()
        self.cpu_s = sum(answer["cpu_s"] for answer in answers) - self._started_cpu_s
        # After the agents, so that it is known for every probe that they have heard.
        self._intended.update(self._engine.intended_ms(self._run))
        void = {(stream, number) for answer in answers for stream, number in answer["void"]}
        heard = [tuple(one) for answer in answers for one in answer["heard"]]
        return list(self._compared(heard, void))

    def _ask(self) -> list[dict[str, Any]]:
        report = next(self._reports)
        for node in self._nodes:
            self._agents[node].tell("report", report=report)
        return [self._agents.answer(node, "report", report, 0.0) for node in self._nodes]

    def _compared(self, heard: Sequence[tuple[int, ...]], void: set[tuple[int, int]]) -> Iterator[Probe]:
        for stream, number, sent_ns, delay_ns in heard:
            pair = self._pairs[stream]
            intended_ms = self._intended.pop((stream, number), 0.0 if pair.link.is_plain else None)
            if intended_ms is None or (stream, number) in void:
                continue
            sent_s = sent_ns / 1e9 - self._ahead_s
            yield Probe(pair.link.src, pair.link.dst, sent_s, delay_ns / 1e6, intended_ms)


def _pairs(deployment: Deployment) -> Iterator[_Pair]:
    """A pair of nodes for every ordered pair of tiers; the last nodes, since loads often use the first."""
    for stream, link in enumerate(deployment.topology.tier_links()):
        src = deployment.nodes_of(link.src)[-1].name
        dst = deployment.nodes_of(link.dst)[-2 if link.src == link.dst else -1].name
        yield _Pair(link, src, dst, stream)
