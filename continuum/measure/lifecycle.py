"""The timeline of every instance of a workload, from the request to create it to its end. Pure.

An instance is a replica that a resource manager runs: a process, a container, a pod. Managers report when
each instance reached which stage (``Job.marks``); not every manager knows every stage. Readings of different
clocks are converted to the reference clock before they are subtracted.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import accumulate, pairwise

from continuum.measure.clock import NodeClock
from continuum.measure.statistics import summarise as summary_of
from continuum.model.benchmark import Lifecycle
from continuum.model.marks import CREATED, STAGES, Mark
from continuum.model.summary import Summary


@dataclass(frozen=True)
class InstanceTimeline:
    """When one instance reached its stages.

    Attributes:
        instance: its name.
        node: its node; empty if it was never assigned to one.
        at_ns: time of each known stage on the reference clock, in the order of stages.
        error_ns: largest possible error of each of these times.
        simulated: whether it was on a simulated node.
    """

    instance: str
    node: str
    at_ns: Mapping[str, int] = field(default_factory=dict)
    error_ns: Mapping[str, int] = field(default_factory=dict)
    simulated: bool = False


def build(
    marks: Iterable[Mark], clocks: Mapping[str, NodeClock] | None = None
) -> tuple[InstanceTimeline, ...]:
    """Combine the marks of every instance; returns the timelines in the order of creation.

    Sources overlap, and containers are restarted: if a stage has several marks, the one with the smallest
    error counts, and the earliest among equals. The order of the stages then reduces the remaining errors.

    Raises:
        ValueError: a mark is of an unknown stage.
    """
    found: dict[str, dict[str, tuple[int, int]]] = defaultdict(dict)
    nodes: dict[str, str] = {}
    simulated: set[str] = set()
    for mark in marks:
        if mark.stage not in STAGES:
            raise ValueError(f"{mark.instance}: unknown stage {mark.stage!r}")
        at_ns, error_ns = _on_reference(mark, clocks or {})
        known = found[mark.instance].get(mark.stage)
        if known is None or (error_ns, at_ns) < known:
            found[mark.instance][mark.stage] = (error_ns, at_ns)
        if mark.node:
            nodes[mark.instance] = mark.node
        if mark.simulated:
            simulated.add(mark.instance)
    timelines = [
        replace(_timeline(instance, nodes.get(instance, ""), stages), simulated=instance in simulated)
        for instance, stages in found.items()
    ]
    return tuple(sorted(timelines, key=lambda one: (min(one.at_ns.values()), one.instance)))


def _on_reference(mark: Mark, clocks: Mapping[str, NodeClock]) -> tuple[int, int]:
    clock = clocks.get(mark.clock)
    if clock is None:
        return mark.clock_ns, mark.error_ns
    return clock.to_reference(mark.clock_ns), mark.error_ns + clock.error_ns


def _timeline(instance: str, node: str, stages: Mapping[str, tuple[int, int]]) -> InstanceTimeline:
    times = _narrowed({stage: stages[stage] for stage in STAGES if stage in stages})
    return InstanceTimeline(
        instance,
        node,
        {stage: at_ns for stage, (_, at_ns) in times.items()},
        {stage: error_ns for stage, (error_ns, _) in times.items()},
    )


def _narrowed(stages: Mapping[str, tuple[int, int]]) -> dict[str, tuple[int, int]]:
    """The (error, time) of each stage, narrowed by its neighbours, since stages follow each other.

    A stage is neither before the earliest possible time of a preceding one nor after the latest of a
    following one. If that leaves no time at all, the sources contradict each other, and the reported value is
    kept.
    """
    earliest = dict(zip(stages, accumulate((at - error for error, at in stages.values()), max), strict=True))
    names = [*stages][::-1]
    backwards = accumulate((sum(stages[name]) for name in names), min)
    latest = dict(zip(names, backwards, strict=True))
    narrowed = {}
    for stage, reported in stages.items():
        low, high = earliest[stage], latest[stage]
        narrowed[stage] = ((high - low + 1) // 2, (low + high) // 2) if low <= high else reported
    return narrowed


def summarise(timelines: Sequence[InstanceTimeline]) -> Lifecycle | None:
    """How long instances took to reach each stage; None without instances."""
    if not timelines:
        return None
    stages = tuple(stage for stage in STAGES if any(stage in one.at_ns for one in timelines))
    first_ns = min(min(one.at_ns.values()) for one in timelines)
    last_ns = {stage: max(one.at_ns[stage] for one in timelines if stage in one.at_ns) for stage in stages}
    return Lifecycle(
        instances=len(timelines),
        stages=stages,
        reached={stage: sum(stage in one.at_ns for one in timelines) for stage in stages},
        since_created_ms={stage: _since(timelines, CREATED, stage) for stage in stages if stage != CREATED},
        step_ms={stage: _steps(timelines, stage) for stage in stages if stage != CREATED},
        all_ms={stage: (last_ns[stage] - first_ns) / 1e6 for stage in stages},
    )


def steps(timeline: InstanceTimeline) -> dict[str, tuple[str, int]]:
    """By stage, the preceding known stage and the time in ns between both."""
    at_ns = timeline.at_ns
    return {stage: (before, at_ns[stage] - at_ns[before]) for before, stage in pairwise(at_ns)}


def _since(timelines: Sequence[InstanceTimeline], start: str, stage: str) -> Summary:
    both = [one for one in timelines if start in one.at_ns and stage in one.at_ns]
    error_ns = max((one.error_ns[start] + one.error_ns[stage] for one in both), default=0)
    return summary_of([(one.at_ns[stage] - one.at_ns[start]) / 1e6 for one in both], error_ns / 1e6)


def _steps(timelines: Sequence[InstanceTimeline], stage: str) -> Summary:
    values, error_ns = [], 0
    for one in timelines:
        if (step := steps(one).get(stage)) is not None:
            before, took_ns = step
            values.append(took_ns / 1e6)
            error_ns = max(error_ns, one.error_ns[before] + one.error_ns[stage])
    return summary_of(values, error_ns / 1e6)
