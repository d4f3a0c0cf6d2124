"""The life of every instance of a workload, from the order to make it to its end. Pure.

An instance is a replica that a resource manager runs: a process, a container, a pod. Managers say when each
reached which stage (``Job.marks``); not every manager knows every stage. Readings of different clocks are
brought to one before they are subtracted.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import accumulate, pairwise

from continuum.measure.clock import NodeClock
from continuum.measure.statistics import summarise as summary_of
from continuum.model.marks import CREATED, STAGES, Mark
from continuum.model.result import Lifecycle
from continuum.model.summary import Summary


@dataclass(frozen=True)
class Life:
    """What is known of one instance.

    Attributes:
        instance: its name.
        node: the node it ran on; empty when it got to none.
        at_ns: when it reached each stage that is known, on the reference clock, in the order of stages.
        error_ns: the largest possible error of each of these.
        simulated: whether it was on a simulated node.
    """

    instance: str
    node: str
    at_ns: Mapping[str, int] = field(default_factory=dict)
    error_ns: Mapping[str, int] = field(default_factory=dict)
    simulated: bool = False


def build(marks: Iterable[Mark], clocks: Mapping[str, NodeClock] | None = None) -> tuple[Life, ...]:
    """Put the marks of every instance together, those created first in front.

    Of several marks of one stage the most exact one counts, of equally exact ones the earliest: sources
    overlap, and containers are started again. What is left of their errors shrinks by the order of stages.
    """
    found: dict[str, dict[str, tuple[int, int]]] = defaultdict(dict)
    nodes: dict[str, str] = {}
    simulated: set[str] = set()
    for mark in marks:
        if mark.stage not in STAGES:
            raise ValueError(f"{mark.instance}: there is no stage {mark.stage!r} in a life")
        at_ns, error_ns = _on_reference(mark, clocks or {})
        known = found[mark.instance].get(mark.stage)
        if known is None or (error_ns, at_ns) < known:
            found[mark.instance][mark.stage] = (error_ns, at_ns)
        if mark.node:
            nodes[mark.instance] = mark.node
        if mark.simulated:
            simulated.add(mark.instance)
    lives = [
        replace(_life(instance, nodes.get(instance, ""), stages), simulated=instance in simulated)
        for instance, stages in found.items()
    ]
    return tuple(sorted(lives, key=lambda life: (min(life.at_ns.values()), life.instance)))


def _on_reference(mark: Mark, clocks: Mapping[str, NodeClock]) -> tuple[int, int]:
    clock = clocks.get(mark.clock)
    if clock is None:
        return mark.clock_ns, mark.error_ns
    return clock.to_reference(mark.clock_ns), mark.error_ns + clock.error_ns


def _life(instance: str, node: str, stages: Mapping[str, tuple[int, int]]) -> Life:
    times = _narrowed({stage: stages[stage] for stage in STAGES if stage in stages})
    return Life(
        instance,
        node,
        {stage: at_ns for stage, (_, at_ns) in times.items()},
        {stage: error_ns for stage, (error_ns, _) in times.items()},
    )


def _narrowed(stages: Mapping[str, tuple[int, int]]) -> dict[str, tuple[int, int]]:
    """The same (error, time) of each stage, as exact as its neighbours allow, since stages follow each other.

    A stage is not before the earliest possible time of one that precedes it, nor after the latest of one
    that follows. Where that leaves no time at all, sources contradict each other, and what was told stands.
    """
    earliest = dict(zip(stages, accumulate((at - error for error, at in stages.values()), max), strict=True))
    names = [*stages][::-1]
    backwards = accumulate((sum(stages[name]) for name in names), min)
    latest = dict(zip(names, backwards, strict=True))
    narrowed = {}
    for stage, told in stages.items():
        low, high = earliest[stage], latest[stage]
        narrowed[stage] = ((high - low + 1) // 2, (low + high) // 2) if low <= high else told
    return narrowed


def summarise(lives: Sequence[Life]) -> Lifecycle | None:
    """How long instances took to each stage; None without any instance."""
    if not lives:
        return None
    stages = tuple(stage for stage in STAGES if any(stage in life.at_ns for life in lives))
    first_ns = min(min(life.at_ns.values()) for life in lives)
    return Lifecycle(
        instances=len(lives),
        stages=stages,
        reached={stage: sum(stage in life.at_ns for life in lives) for stage in stages},
        since_created_ms={stage: _since(lives, CREATED, stage) for stage in stages if stage != CREATED},
        step_ms={stage: _steps(lives, stage) for stage in stages if stage != CREATED},
        all_ms={
            stage: (max(life.at_ns[stage] for life in lives if stage in life.at_ns) - first_ns) / 1e6
            for stage in stages
        },
    )


def steps(life: Life) -> dict[str, tuple[str, int]]:
    """By stage, the one known before it and the time in ns that lies between them."""
    return {stage: (before, life.at_ns[stage] - life.at_ns[before]) for before, stage in pairwise(life.at_ns)}


def _since(lives: Sequence[Life], start: str, stage: str) -> Summary:
    both = [life for life in lives if start in life.at_ns and stage in life.at_ns]
    error_ns = max((life.error_ns[start] + life.error_ns[stage] for life in both), default=0)
    return summary_of([(life.at_ns[stage] - life.at_ns[start]) / 1e6 for life in both], error_ns / 1e6)


def _steps(lives: Sequence[Life], stage: str) -> Summary:
    values, error_ns = [], 0
    for life in lives:
        if (step := steps(life).get(stage)) is not None:
            before, took_ns = step
            values.append(took_ns / 1e6)
            error_ns = max(error_ns, life.error_ns[before] + life.error_ns[stage])
    return summary_of(values, error_ns / 1e6)
