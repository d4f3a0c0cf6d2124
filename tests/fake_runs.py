"""Run directories made from random events, so that reports can be tried without a run.

A small queueing simulation: endpoints send frames on a fixed schedule over a delayed, rate-limited link to
workers with a few servers each. All figures come out of the events, none is written down here. Also a
program: ``python -m tests.fake_runs FOLDER`` writes one directory per scenario.
"""

from __future__ import annotations

import heapq
import json
import random
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from continuum.measure import analysis, samples, trace
from continuum.measure.clock import NodeClock, Offset
from continuum.model.events import Event
from continuum.model.phase import PHASES, Phase
from continuum.model.result import LinkFidelity, NodeUse, Result

STAGES = ("preprocess", "uplink", "queue", "process", "downlink")
MS = 1_000_000

CONFIG = """\
# One cloud, one edge node, {endpoints} endpoints <camera & co>
[infrastructure]
provider = local
cloud_nodes = 1
edge_nodes = {workers}
endpoint_nodes = {endpoints}
network_emulation = True
wireless_network_preset = 4g

[benchmark]
resource_manager = none
application = video
frequency = {frequency}
duration = {duration_s:g} s
offload_to = {where}
"""


@dataclass(frozen=True)
class Scenario:
    """What a fake run is made of; times in ms, rates in Mbit/s."""

    name: str = "edge"
    where: str = "edge"
    endpoints: int = 4
    workers: int = 1
    servers: int = 2
    frequency: float = 5.0
    duration_s: float = 20.0
    delay_ms: float = 7.5
    jitter_ms: float = 2.5
    rate_mbit: float = 7.21
    frame_bytes: int = 6000
    preprocess_ms: float = 3.0
    process_ms: float = 22.0
    loss: float = 0.0
    worker_dies_at_s: float | None = None
    clock_offset_ms: float = 0.0
    network_ok: bool = True
    seed: int = 1


def events(scenario: Scenario) -> Iterator[Event]:
    """Every event of a run, as the nodes would have written them."""
    rng = random.Random(scenario.seed)
    frames = sorted(_frames(scenario, rng))
    free: dict[str, list[int]] = {}
    waiting: dict[str, list[int]] = {}
    for sent_ns, due_ns, endpoint, number in frames:
        node = f"endpoint{endpoint}"
        worker = node if scenario.where == "endpoint" else f"{scenario.where}{endpoint % scenario.workers}"
        ident = f"{node}-{number}"
        ahead = round(scenario.clock_offset_ms * MS) if worker != node else 0
        yield Event(ident, "due", node, due_ns, {"warmup": number < scenario.frequency})
        yield Event(ident, "preprocess", node, sent_ns)
        ready_ns = sent_ns + _around(rng, scenario.preprocess_ms, 0.15)
        yield Event(ident, "uplink", node, ready_ns)
        if rng.random() < scenario.loss:
            yield Event(ident, "lost", node, ready_ns + 2000 * MS)
            continue
        arrived_ns = ready_ns + _way(scenario, rng, scenario.frame_bytes * 8)
        died = scenario.worker_dies_at_s
        if died is not None and arrived_ns > died * 1000 * MS:
            continue
        servers = free.setdefault(worker, [0] * scenario.servers)
        queue = waiting.setdefault(worker, [])
        depth = sum(start > arrived_ns for start in queue)
        begun_ns = max(arrived_ns + 40_000, heapq.heappop(servers))
        ended_ns = begun_ns + _around(rng, scenario.process_ms, 0.08)
        heapq.heappush(servers, ended_ns)
        queue.append(begun_ns)
        yield Event(ident, "queue", worker, arrived_ns + ahead, {"queue_depth": depth})
        yield Event(ident, "process", worker, begun_ns + ahead)
        yield Event(ident, "downlink", worker, ended_ns + ahead)
        answer = {"worker": worker, "label": str(number % 10), "confidence": rng.uniform(0.8, 1)}
        done_ns = ended_ns + _way(scenario, rng, 800)
        yield Event(ident, "done", node, done_ns, {**answer, "correct": rng.random() < 0.985})


def make_trace(scenario: Scenario) -> trace.Trace:
    """The spans of a fake run; worker clocks differ from the endpoints' if the scenario says so."""
    clocks = {}
    if scenario.clock_offset_ms:
        offset = Offset(0, round(scenario.clock_offset_ms * MS) + 60_000, 90_000)
        clocks = {f"{scenario.where}{index}": NodeClock(offset) for index in range(scenario.workers)}
    return trace.build(events(scenario), STAGES, clocks)


def make_result(scenario: Scenario, spans: trace.Trace) -> Result:
    """The result of a fake run, as the pipeline would put it together."""
    measured = analysis.benchmark(
        spans,
        application="video",
        processing="process",
        load={"frequency": scenario.frequency, "duration": scenario.duration_s, "model": "digits.onnx"},
        capacity=scenario.servers * len({request.worker for request in spans.requests} - {""}),
    )
    nodes, links = _nodes(scenario), _links(scenario)
    phases = _phases(scenario)
    return Result(
        run_id=f"20260102-030405-{scenario.name}",
        invalid_reasons=analysis.reasons(measured, links, phases),
        notes=("CPU quotas are not enforced: no control group here", *analysis.remarks(measured, nodes)),
        config={"file": f"{scenario.name}.cfg", "text": _config(scenario)},
        versions={"continuum": "0.1.0", "python": "3.12.3", "numpy": "2.1.0", "onnxruntime": "1.20.0"},
        host={"cpus": 8, "memory_mb": 31_900, "kernel": "6.8.0-45-generic", "machine": "x86_64"},
        provider="local",
        engine="fabric",
        seed=scenario.seed,
        phases=phases,
        nodes=nodes,
        network=links,
        benchmark=measured,
    )


def write_run(folder: Path, scenario: Scenario) -> Path:
    """A whole run directory below ``folder``."""
    spans = make_trace(scenario)
    result = make_result(scenario, spans)
    directory = folder / result.run_id
    directory.mkdir(parents=True)
    samples.write(directory / "samples.csv", spans)
    (directory / "config.cfg").write_text(_config(scenario), encoding="utf-8")
    result.save(directory)
    return directory


def write_bare(folder: Path, name: str, failed: str | None = None, network: bool = True) -> Path:
    """A run of infrastructure alone, or one whose phase ``failed`` failed; no benchmark, no samples."""
    scenario = Scenario(name=name)
    phases = _phases(scenario, failed)
    result = Result(
        run_id=f"20260102-030405-{name}",
        invalid_reasons=analysis.reasons(None, (), phases),
        config={"file": f"{name}.cfg", "text": _config(scenario)},
        host={"cpus": 8, "memory_mb": 31_900},
        provider="local",
        engine="fabric" if network else "",
        phases=phases,
        nodes=() if failed == "provision" else _nodes(scenario),
        network=_links(scenario) if network and failed is None else (),
    )
    directory = folder / result.run_id
    directory.mkdir(parents=True)
    (directory / "config.cfg").write_text(_config(scenario), encoding="utf-8")
    result.save(directory)
    return directory


SCENARIOS: Mapping[str, Scenario] = {
    "endpoint": Scenario("endpoint", "endpoint", process_ms=130, servers=1),
    "edge": Scenario(),
    "cloud": Scenario("cloud", "cloud", delay_ms=45, jitter_ms=5, process_ms=14, servers=4),
    "busy": Scenario("busy", endpoints=10, workers=1, servers=1, frequency=4.5, process_ms=23, loss=0.02),
    "died": Scenario("died", worker_dies_at_s=12.0, duration_s=20),
    "none": Scenario("none", loss=1.0),
    "many": Scenario("many", endpoints=100, workers=9, servers=3, frequency=5, network_ok=False),
    "clocks": Scenario("clocks", clock_offset_ms=4000.0),
    "short": Scenario("short", endpoints=1, duration_s=8, frequency=5),
}


def _frames(scenario: Scenario, rng: random.Random) -> Iterator[tuple[int, int, int, int]]:
    for endpoint in range(scenario.endpoints):
        phase_ns = endpoint * 1000 * MS / scenario.frequency / scenario.endpoints
        for number in range(int((scenario.duration_s + 1) * scenario.frequency)):
            due_ns = round(phase_ns + number * 1000 * MS / scenario.frequency)
            late_ns = round(rng.expovariate(1 / 0.12) * MS) + (8 * MS if rng.random() < 0.01 else 0)
            yield due_ns + late_ns, due_ns, endpoint, number


def _around(rng: random.Random, mean_ms: float, spread: float) -> int:
    slow = 1.8 if rng.random() < 0.02 else 1.0
    return round(mean_ms * MS * slow * rng.lognormvariate(0, spread))


def _way(scenario: Scenario, rng: random.Random, bits: int) -> int:
    if scenario.where == "endpoint":
        return 20_000
    delay_ms = max(0.0, rng.gauss(scenario.delay_ms, scenario.jitter_ms))
    return round((delay_ms + bits / scenario.rate_mbit / 1000 + 0.15) * MS)


def _nodes(scenario: Scenario) -> tuple[NodeUse, ...]:
    rng = random.Random(scenario.seed)
    tiers = (("cloud", 1, 4.0, 4096), ("edge", max(1, scenario.workers), 2.0, 2048))
    return tuple(
        NodeUse(f"{tier}{i}", tier, cores, memory, 1.0, rng.uniform(1, 60), rng.uniform(80, 0.6 * memory))
        for tier, count, cores, memory in (*tiers, ("endpoint", scenario.endpoints, 0.5, 512))
        for i in range(count)
    )


def _links(scenario: Scenario) -> tuple[LinkFidelity, ...]:
    rng = random.Random(scenario.seed)
    return tuple(
        _link(rng, src, dst, scenario.network_ok)
        for src in ("cloud", "edge", "endpoint")
        for dst in ("cloud", "edge", "endpoint")
        if src != dst
    )


def _link(rng: random.Random, src: str, dst: str, fine: bool) -> LinkFidelity:
    wireless = "endpoint" in (src, dst)
    delay_ms = 45.0 if {src, dst} == {"cloud", "endpoint"} else 7.5
    rate = 7.21 if wireless else 1000.0
    ok = fine or (src, dst) != ("endpoint", "cloud")
    rtt_ms = 2 * delay_ms * (1 if ok else 1.2) + rng.uniform(0, 0.25)
    return LinkFidelity(
        src,
        dst,
        {"latency_ms": delay_ms, "jitter_ms": delay_ms / 9, "bandwidth_mbit": rate, "loss_percent": 0.0},
        {"rtt_ms": rtt_ms, "throughput_mbit": 0.955 * rate * rng.uniform(0.97, 1.01)},
        ok,
        "" if ok else f"round trip {rtt_ms:.2f} ms instead of {2 * delay_ms:g} ms",
    )


def _phases(scenario: Scenario, failed: str | None = None) -> tuple[Phase, ...]:
    phases, dead = [], False
    for number, name in enumerate(PHASES):
        seconds = scenario.duration_s + 1.2 if name == "benchmark" else 0.05 + 0.11 * (number % 4)
        phase = Phase(name, "ok", seconds, 1_767_323_045.0 + number)
        if name == failed:
            phase = replace(phase, status="failed", error="edge0: no /dev/net/tun; load it: modprobe tun")
        phases.append(Phase(name) if dead and name != "teardown" else phase)
        dead = dead or name == failed
    return tuple(phases)


def _config(scenario: Scenario) -> str:
    fields: dict[str, Any] = {name: getattr(scenario, name) for name in scenario.__dataclass_fields__}
    return CONFIG.format(**fields)


def main() -> None:
    """Write every scenario below the folder that is named, and print the directories as JSON."""
    folder = Path(sys.argv[1])
    written = [str(write_run(folder, scenario)) for scenario in SCENARIOS.values()]
    written.append(str(write_bare(folder, "bare")))
    written.append(str(write_bare(folder, "plain", network=False)))
    written.append(str(write_bare(folder, "failed", failed="provision")))
    print(json.dumps(written, indent=1))


if __name__ == "__main__":
    main()
