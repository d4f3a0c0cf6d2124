"""Builds the result of a run from what its phases made."""

from __future__ import annotations

import contextlib
import platform
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib import metadata
from pathlib import Path
from typing import Any

from continuum.connection.deployment import Deployment
from continuum.errors import ContinuumError
from continuum.host.facts import Host
from continuum.measure import analysis, clock, lifecycle
from continuum.measure.clock import NodeClock, Offset
from continuum.measure.lifecycle import InstanceTimeline
from continuum.model import result_json
from continuum.model.benchmark import Benchmark
from continuum.model.fidelity import During, Fidelity
from continuum.model.node import Node, Usage
from continuum.model.phase import Phase
from continuum.model.result import Delivery, InstallStep, LinkFidelity, NodeUse, Result
from continuum.modules.provider import Provider
from continuum.pipeline.watch.tolerated import Tolerated
from continuum.rundir import manager_latency
from continuum.rundir.run import Run
from continuum.version import __version__

REPORTED_PACKAGES = ("matplotlib", "numpy")
"""Packages of the core whose versions are part of every result; modules name theirs."""


THROTTLED = 5.0
"""Share of the load, in percent, above which the throttling of a node with whole cores is noted."""


@dataclass(frozen=True)
class Snapshot:
    """The state of all nodes at one moment.

    Attributes:
        at_s: that moment on CLOCK_MONOTONIC.
        usage: what each node has used so far.
        offsets: how far each node's clock is ahead.
    """

    at_s: float
    usage: Mapping[str, Usage] = field(default_factory=dict)
    offsets: Mapping[str, Offset] = field(default_factory=dict)


def snapshot(deployment: Deployment, provider: Provider, run: Run) -> Snapshot:
    """Read the resource usage and the clock offset of every node."""
    usage = provider.usage(deployment, run)
    offsets: dict[str, Offset] = {}
    with contextlib.suppress(ContinuumError):  # a node that is gone has no clock; its requests are lost
        offsets = clock.measure_all(deployment.connections)
    return Snapshot(time.monotonic(), usage, offsets)


def clocks(snapshots: Sequence[Snapshot]) -> dict[str, NodeClock]:
    """Clock of each node, from the first and the last snapshot."""
    if not snapshots:
        return {}
    return clock.pair(snapshots[0].offsets, snapshots[-1].offsets if len(snapshots) > 1 else {})


def result(
    run: Run,
    *,
    host: Host,
    packages: Iterable[str],
    deployment: Deployment | None,
    fidelity: Sequence[LinkFidelity],
    during: During | None,
    snapshots: Sequence[Snapshot],
    measured: Benchmark | None,
    timelines: Sequence[InstanceTimeline],
    simulated: Sequence[InstanceTimeline],
    incidents: Sequence[str],
    phases: Sequence[Phase],
) -> Result:
    """The content of ``result.json``; each incident makes the result invalid.

    ``packages`` are the Python packages whose versions are reported, besides the core's.
    """
    nodes = tuple(_use(node, snapshots) for node in deployment.nodes) if deployment else ()
    config = run.config
    return Result(
        run_id=run.id,
        invalid_reasons=_invalid_reasons(
            [*incidents, *_disturbances(during), *_losses(measured, Tolerated.of(config))],
            measured,
            fidelity,
            nodes,
        ),
        notes=(*run.notes(), *analysis.remarks(measured), *_throttling(during, nodes)),
        config={"file": config.path.name, "text": config.public_text, "resolved": config.resolved()},
        versions=_versions(packages),
        host=_describe(host),
        provider=config.infrastructure.text("provider"),
        engine=str(run.state().get("engine", "")),
        seed=run.seed,
        repeat=config.repeat,
        phases=tuple(phases),
        nodes=nodes,
        network=tuple(fidelity),
        fidelity=Fidelity(during, tuple(result_json.processors(row) for row in run.records("processors"))),
        clocks=_foreign_clocks(deployment, snapshots),
        deliveries=tuple(Delivery(**row) for row in run.records("deliveries")),
        installation=tuple(InstallStep(**row) for row in run.records("install_steps")),
        benchmark=measured,
        lifecycle=lifecycle.summarise(timelines),
        simulated=lifecycle.summarise(simulated),
        manager_latency=manager_latency.read(run.directory),
        directory=run.directory,
    )


def _disturbances(during: During | None) -> list[str]:
    return [one.reason for one in during.disturbances] if during else []


def _losses(measured: Benchmark | None, tolerated: Tolerated) -> list[str]:
    """A reason if more requests than tolerated were lost or failed."""
    if measured is None or not measured.requests.sent:
        return []
    counts = measured.requests
    percent = 100 * (counts.lost + counts.failed) / counts.sent
    if percent <= tolerated.loss_percent:
        return []
    figures = f"{counts.lost:,} lost, {counts.failed:,} failed (tolerated: {tolerated.loss_percent:g} %)"
    return [f"{percent:.1f} % of {counts.sent:,} requests were not answered: {figures}"]


def _throttling(during: During | None, nodes: Sequence[NodeUse]) -> list[str]:
    """Remarks about nodes with whole cores whose programs waited for the CPU quota nevertheless."""
    if during is None or during.seconds <= 0:
        return []
    whole = {node.name for node in nodes if node.quota == 1 and float(node.cores).is_integer()}
    return [
        f"programs on {one.name} asked for more than its cores at once and waited for its CPU quota in "
        f"{percent:.0f} % of the load"
        for one in during.nodes
        if one.name in whole and (percent := 100 * (one.throttled_s or 0.0) / during.seconds) > THROTTLED
    ]


def _invalid_reasons(
    incidents: Sequence[str],
    measured: Benchmark | None,
    fidelity: Sequence[LinkFidelity],
    nodes: Sequence[NodeUse],
) -> tuple[str, ...]:
    killed = [
        f"{node.name} reached its memory limit of {node.memory_mb} MB: "
        f"{node.out_of_memory_kills} processes killed"
        for node in nodes
        if node.out_of_memory_kills
    ]
    return tuple(dict.fromkeys([*incidents, *killed, *analysis.reasons(measured, fidelity)]))


def _use(node: Node, snapshots: Sequence[Snapshot]) -> NodeUse:
    """A node and its resource usage between the first and the last snapshot."""
    spec = node.spec
    use = NodeUse(node.name, node.tier, spec.cores, spec.memory_mb, spec.quota)
    if not snapshots:
        return use
    before = snapshots[0].usage.get(node.name, Usage()).cpu_seconds
    last = snapshots[-1].usage.get(node.name, Usage())
    elapsed_s = snapshots[-1].at_s - snapshots[0].at_s
    percent = None
    if before is not None and last.cpu_seconds is not None and elapsed_s > 0:
        percent = 100 * (last.cpu_seconds - before) / elapsed_s / spec.cpu_limit
    return replace(
        use,
        cpu_percent=percent,
        memory_peak_mb=last.memory_peak_mb,
        out_of_memory_kills=last.out_of_memory_kills,
    )


def _foreign_clocks(
    deployment: Deployment | None, snapshots: Sequence[Snapshot]
) -> dict[str, dict[str, float | None]]:
    """Clocks of nodes that do not share the clock of the orchestrator."""
    if deployment is None:
        return {}
    return {
        name: {
            "offset_ms": one.before.offset_ns / 1e6,
            "error_ms": one.error_ns / 1e6,
            "drift_ppm": one.drift_ppm,
        }
        for name, one in clocks(snapshots).items()
        if not deployment.connections[name].host_clock
    }


def _versions(packages: Iterable[str]) -> dict[str, str]:
    versions = {"continuum": __version__, "python": platform.python_version()}
    for package in sorted({*REPORTED_PACKAGES, *packages}):
        with contextlib.suppress(metadata.PackageNotFoundError):
            versions[package] = metadata.version(package)
    return versions


def _describe(host: Host) -> dict[str, Any]:
    return {
        "cpus": len(host.cpus),
        "cpu_model": _cpu_model(),
        "memory_mb": host.memory_mb,
        "kernel": host.kernel,
        "machine": host.machine,
        "root": host.is_root,
    }


def _cpu_model() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return ""
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), "")
