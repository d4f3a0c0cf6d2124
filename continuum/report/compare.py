"""Compares several runs, and checks whether they are comparable.

Runs are comparable if their offered load was the same. Otherwise the numbers are shown with the reason why
they are not comparable, and nothing is claimed. The unit of a claim about two deployments is the run: single
runs show a difference, and only repeats show that one deployment is faster (``continuum.measure.claims``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from continuum.errors import UsageError
from continuum.measure.claims import MARGIN, Claim, claims
from continuum.model.result import Result
from continuum.report import compare_words, view
from continuum.report.compare_doubts import doubts_about
from continuum.report.compare_groups import Group, bench_of, grouped, names


@dataclass(frozen=True)
class Pair:
    """The first deployment and another one.

    Attributes:
        first: the deployment that the other is compared with.
        second: the other.
        claim: what the median latencies of their runs show.
        stages: the same for the median time in each stage.
    """

    first: Group
    second: Group
    claim: Claim
    stages: Mapping[str, Claim] = field(default_factory=dict)


@dataclass(frozen=True)
class Comparison:
    """Runs that are shown side by side.

    Attributes:
        groups: the deployments with their runs, in the order of their first runs.
        left_out: runs that are in no group, each with the reason.
        doubts: reasons why the runs are not comparable.
        pairs: the first deployment with each of the others; empty if there are doubts.
        verdicts: what the runs show, or why they show nothing.
        stages: the stages of all runs, in order.
    """

    groups: tuple[Group, ...]
    left_out: tuple[str, ...]
    doubts: tuple[str, ...]
    pairs: tuple[Pair, ...]
    verdicts: tuple[str, ...]
    stages: tuple[str, ...]

    @property
    def runs(self) -> tuple[tuple[str, Result], ...]:
        """Name and result of every run, deployment by deployment."""
        return tuple(run for group in self.groups for run in group.runs)

    @property
    def repeated(self) -> bool:
        """Whether a deployment has more than one run."""
        return any(len(group.runs) > 1 for group in self.groups)


def compare(results: Sequence[Result], margin: float = MARGIN) -> Comparison:
    """Compare runs. Pure.

    Args:
        results: the runs; the deployment of the first is the one that others are compared with.
        margin: ratios of latencies that differ from 1 by less count as no difference.

    Raises:
        UsageError: fewer than two runs have completed requests, or their applications differ.
    """
    named = list(zip(names(results), results, strict=True))
    runs = [(name, result) for name, result in named if _has_median(result)]
    left_out = [f"{name}: {_why_left_out(result)}" for name, result in named if not _has_median(result)]
    if len(runs) < 2:
        reasons = "; ".join(left_out) or "only one run was given"
        raise UsageError(f"a comparison requires two runs with completed requests: {reasons}")
    applications = sorted({bench_of(result).application for _, result in runs})
    if len(applications) > 1:
        raise UsageError(f"runs of different applications cannot be compared: {', '.join(applications)}")
    every = dict.fromkeys(
        stage for _, result in runs for stage in bench_of(result).stages if stage != "other"
    )
    stages = (*every, "other")
    groups = grouped(runs)
    invalid = [f"{name}: not valid" for group in groups for name, _ in _invalid(group)]
    groups = tuple(_without_invalid(group) for group in groups)
    doubts = doubts_about(groups)
    pairs = () if doubts else _pairs(groups, stages, margin)
    verdicts = compare_words.verdicts(groups, [(pair.second, pair.claim) for pair in pairs], doubts, margin)
    return Comparison(groups, (*left_out, *invalid), doubts, pairs, verdicts, stages)


def _pairs(groups: Sequence[Group], stages: Sequence[str], margin: float) -> tuple[Pair, ...]:
    """Claims about the latency, adjusted for the number of deployments, and about the stages of each."""
    first, *others = groups
    whole = claims({other.name: (first.medians_ms, other.medians_ms) for other in others}, margin)
    return tuple(
        Pair(first, other, whole[other.name], _stage_claims(first, other, stages, margin)) for other in others
    )


def _stage_claims(first: Group, second: Group, stages: Sequence[str], margin: float) -> dict[str, Claim]:
    values = {stage: (first.stage_medians_ms(stage), second.stage_medians_ms(stage)) for stage in stages}
    return claims({stage: pair for stage, pair in values.items() if all(pair)}, margin)


def _invalid(group: Group) -> tuple[tuple[str, Result], ...]:
    """The invalid runs of a group that has valid ones, too."""
    invalid = tuple(run for run in group.runs if not run[1].valid)
    return invalid if len(invalid) < len(group.runs) else ()


def _without_invalid(group: Group) -> Group:
    dropped = _invalid(group)
    return Group(group.name, tuple(run for run in group.runs if run not in dropped))


def _has_median(result: Result) -> bool:
    return result.benchmark is not None and result.benchmark.end_to_end_ms.p50 is not None


def _why_left_out(result: Result) -> str:
    reasons = view.complaints(result)
    if reasons or result.benchmark is None:
        return reasons[0] if reasons else "it has no benchmark"
    return result.benchmark.end_to_end_ms.reasons.get("p50", "it has no median latency")
