"""Measures round trips and goodput of a deployment's links, for any provider."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from benchmarks.table import Row
from continuum.connection.deployment import Deployment
from continuum.network.verification.agents import Agents
from continuum.network.verification.judge import BUSY
from continuum.network.verification.node_agent import busiest, processors

PROTOCOL_SHARE = 0.955
"""Goodput of TCP over IPv4 at MTU 1500, as a share of the link's rate."""

GOODPUT_BAR_PERCENT = 5.0
_STREAMS = count(1)


@dataclass(frozen=True)
class Flow:
    """One TCP flow.

    Attributes:
        mbit: goodput in Mbit/s.
        busy: utilisation of the busiest CPU, by node, and of this machine.
    """

    mbit: float
    busy: Mapping[str, float]

    @property
    def held_up_by(self) -> list[str]:
        """The nodes whose CPUs may have limited the flow."""
        return [f"{name} {share:.0%}" for name, share in self.busy.items() if share >= BUSY]


def flow(deployment: Deployment, logs: Path, src: str, dst: str, *, skip_s: float, steady_s: float) -> Flow:
    """Measure a TCP flow for ``steady_s`` seconds after the first ``skip_s``."""
    stream, before = next(_STREAMS), processors()
    with Agents(deployment, (src, dst), logs) as agents:
        to = [agents[dst].address, agents[dst].ports["tcp"]]
        agents[src].tell("flow", stream=stream, to=to, seconds=skip_s + steady_s)
        sent = agents.answer(src, "stream", stream, skip_s + steady_s)
        agents[dst].tell("received", stream=stream, skip_s=skip_s)
        received = agents.answer(dst, "received", stream, 0.0)
    busy = {src: sent["busy"], dst: received["busy"], "this machine": busiest(before)}
    return Flow(float(received["mbit"] or 0.0), busy)


def goodput_row(mbit: float, delay_ms: float, got: Flow, *, is_fair: bool = True) -> Row:
    """The error of the goodput at the configured rate; without a bar unless ``is_fair``."""
    error = 100 * (got.mbit / (PROTOCOL_SHARE * mbit) - 1)
    detail = f"{got.mbit:.2f} Mbit/s, {error:+.2f} %"
    if not is_fair:
        detail += f", no bar: CPUs busy ({', '.join(got.held_up_by)})"
    what = f"{mbit:g} Mbit/s, {delay_ms:g} ms: goodput error"
    return Row(what, abs(error), "%", GOODPUT_BAR_PERCENT if is_fair else None, detail=detail)


def round_trips(
    agents: Agents, clients: Sequence[str], server: str, *, probes: int, interval_s: float, wait_s: float
) -> list[float]:
    """Round trips in ms of probes from all clients in parallel, without the first three of each."""
    to = [agents[server].address, agents[server].ports["udp"]]
    streams = {next(_STREAMS): name for name in clients}
    for stream, name in streams.items():
        agents[name].tell("probe", stream=stream, to=to, count=probes, interval_s=interval_s, wait_s=wait_s)
    trips: list[float] = []
    for stream, name in streams.items():
        answer = agents.answer(name, "stream", stream, probes * interval_s + wait_s)
        trips += [ns / 1e6 for ns in answer["rtt_ns"][3:]]
    return trips


def round_trip_rows(
    name: str,
    expected_ms: float,
    trips_ms: Sequence[float],
    sent: int,
    *,
    bar_p50_ms: float | None,
    bar_p99_ms: float | None,
) -> Iterator[Row]:
    """The error of the median and the 99th percentile of errors, against the configured round trip."""
    ordered = sorted(trips_ms)
    p50 = ordered[len(ordered) // 2]
    errors = sorted(abs(trip - expected_ms) for trip in trips_ms)
    p99 = errors[int(0.99 * len(errors))]
    detail = f"{len(trips_ms)} of {sent} probes, worst {errors[-1]:.2f} ms"
    yield Row(f"{name}: error of p50", abs(p50 - expected_ms), "ms", bar_p50_ms, detail=f"{p50:.3f} ms")
    yield Row(f"{name}: p99 of the error", p99, "ms", bar_p99_ms, detail=detail)
