"""What a comparison shows, as sentences. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from continuum.measure.claims import Claim, Ratio, interval, spread
from continuum.report import formats
from continuum.report.compare_groups import Group

WORDS = {"faster": "faster", "slower": "slower", "no_difference": "no difference", "undecided": "undecided"}
"""The verdicts as text."""


def verdicts(
    groups: Sequence[Group], others: Sequence[tuple[Group, Claim]], doubts: Sequence[str], margin: float
) -> tuple[str, ...]:
    """A sentence for each deployment that is compared with the first."""
    if doubts:
        return ("No verdict: the runs are not comparable.",)
    if not others:
        return (_alone(groups[0]),)
    if all(len(group.runs) == 1 for group in groups):
        return (_single_runs(groups[0], others),)
    return tuple(_sentence(groups[0], other, claim, margin) for other, claim in others)


def difference(first: Group, second: Group) -> str:
    """Difference of the mean latencies in ms and in percent of the first; for groups of one run."""
    before, after = (group.benches[0].end_to_end_ms.mean for group in (first, second))
    if before is None or after is None:
        return formats.NONE
    share = f" ({100 * (after - before) / before:+.1f} %)" if before > 0 else ""
    return f"{after - before:+.2f} ms{share}"


def ratio_range(ratio: Ratio | None) -> str:
    """The interval of a ratio; a dash if it has none."""
    if ratio is None or ratio.low is None or ratio.high is None:
        return formats.NONE
    return f"{ratio.low:.3f} to {ratio.high:.3f}"


def p_value(p: float | None) -> str:
    """A p-value; a dash for None."""
    return formats.NONE if p is None else "< 0.001" if p < 0.001 else f"{p:.3f}"


def more(claim: Claim) -> str:
    """How many further runs would probably decide; empty if it is decided or unknown."""
    return "" if claim.more_runs is None else f"about {claim.more_runs:,} more runs of each"


def _single_runs(first: Group, others: Sequence[tuple[Group, Claim]]) -> str:
    apart = ", ".join(f"{other.name} {difference(first, other)}" for other, _ in others)
    return f"Mean latency compared with {first.name}: {apart}; {others[0][1].reason}."


def _sentence(first: Group, second: Group, claim: Claim, margin: float) -> str:
    value = f"compared with {first.name}"
    if claim.ratio is not None:
        value = f"median latency {claim.ratio.value:.3f} times that of {first.name}"
    if claim.reason:
        return f"{second.name}: {value}; {claim.reason}."
    shown = f"{value} (95 % interval {ratio_range(claim.ratio)}), p = {p_value(claim.p)}".replace("= <", "<")
    counts = f"{claim.runs[0]} and {claim.runs[1]} runs"
    if claim.verdict == "no_difference":
        return f"{second.name}: no difference of more than {100 * margin:g} %; {shown}; {counts}."
    if claim.verdict == "undecided":
        return f"{second.name}: undecided, {more(claim)} would decide; {shown}; {counts}."
    return f"{second.name}: {claim.verdict}; {shown}; {counts}."


def _alone(group: Group) -> str:
    """What the repeats of one config show."""
    found, between = interval(group.medians_ms), spread(group.medians_ms)
    if found is None or found.low is None or found.high is None:
        return f"{formats.count(len(group.runs), 'run')} of {group.name}: nothing to compare."
    return (
        f"{len(group.runs)} runs of {group.name}: median latency {formats.number(found.value)} ms, 95 % "
        f"interval {formats.number(found.low)} to {formats.number(found.high)} ms; standard deviation "
        f"between runs {formats.percent(None if between is None else 100 * between)}."
    )
