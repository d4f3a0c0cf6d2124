"""Whether measured durations of work fit the configured speed of a processor. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from continuum.model.fidelity import Burst, Processors

TOLERANCE = 0.10
SHORT_MS, SHORT_TOLERANCE = 1.0, 0.15
"""Work up to this length may deviate by more."""

CAUSES = "this host was busy then, or many threads wait on the node, which each stop wakes"


def judge(work_ms: float, wall_ms: float, speed: float) -> Burst:
    """Compare the duration of work with what it takes at a speed.

    Args:
        work_ms: duration of the work at full speed, above 0.
        wall_ms: measured duration.
        speed: configured speed, as a share of full speed.
    """
    expected_ms = work_ms / speed
    tolerance = SHORT_TOLERANCE if work_ms <= SHORT_MS else TOLERANCE
    return Burst(work_ms, wall_ms, expected_ms, abs(wall_ms / expected_ms - 1) <= tolerance)


def remarks(found: Iterable[Processors]) -> tuple[str, ...]:
    """What to know when reading stages that are bound by slow processors, one sentence for each tier."""
    return tuple(text for one in found if (text := _remark(one)))


def _remark(one: Processors) -> str:
    fast = [burst for burst in one.bursts if not burst.ok and burst.wall_ms < burst.expected_ms]
    slow = [burst for burst in one.bursts if not burst.ok and burst.wall_ms > burst.expected_ms]
    said = [f"{factor(burst):.1f} times too fast for bursts of {burst.work_ms:g} ms" for burst in fast]
    said += [f"{factor(burst):.1f} times too slow for bursts of {burst.work_ms:g} ms" for burst in slow]
    if not said:
        return ""
    why = "" if fast else f": {CAUSES}"
    return f"processors of {one.tier} nodes (speed {one.speed:g}) are {', '.join(said)}{why}"


def factor(burst: Burst) -> float:
    """How many times faster or slower the work was than expected; at least 1."""
    ratio = burst.wall_ms / burst.expected_ms
    return max(ratio, 1 / ratio)
