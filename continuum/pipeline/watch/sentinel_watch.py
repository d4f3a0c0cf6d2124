"""Whether packets took as long as the network engine intended. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from math import sqrt

from continuum.measure.statistics import percentile
from continuum.model.fidelity import Disturbance, SentinelDelay
from continuum.network.sentinels.sentinels import Probe
from continuum.options.tolerance import Tolerance

LATE_SHARE = 0.01
"""Share of probes that may be late: the 99th percentile decides."""


CHANCE = 0.001
"""Probability at which more late probes count as chance, if 1 % of all are late."""

_MOST_EXACT = 20_000
_STANDARD_ERRORS = 3.09  # quantile of the normal distribution for CHANCE


def is_too_many(late: int, count: int) -> bool:
    """Whether the share of late probes is above 1 % beyond chance (one-sided binomial test)."""
    expected = LATE_SHARE * count
    if late <= expected:
        return False
    if count > _MOST_EXACT:
        return late - expected > _STANDARD_ERRORS * sqrt(expected * (1 - LATE_SHARE))
    probability = (1 - LATE_SHARE) ** count
    fewer = 0.0
    for number in range(late):
        fewer += probability
        probability *= (count - number) / (number + 1) * LATE_SHARE / (1 - LATE_SHARE)
    return 1 - fewer < CHANCE


@dataclass
class _Link:
    errors_ms: list[float] = field(default_factory=list)
    delays_ms: list[float] = field(default_factory=list)
    late: int = 0
    worst_ms: float = 0.0
    worst_s: float = 0.0


class SentinelWatch:
    """Compares the delay of each probe with what the engine intended for it.

    Args:
        tolerance: how far a probe may be off: a share of the intended delay, and a floor.
    """

    def __init__(self, tolerance: Tolerance) -> None:
        self._tolerance = tolerance
        self._links: dict[tuple[str, str], _Link] = {}

    def note(self, probes: Iterable[Probe], start_s: float) -> None:
        """Judge probes; ``start_s`` is the start of the load on CLOCK_MONOTONIC."""
        for probe in probes:
            link = self._links.setdefault((probe.src, probe.dst), _Link())
            error_ms = probe.delay_ms - probe.intended_ms
            link.errors_ms.append(abs(error_ms))
            link.delays_ms.append(probe.delay_ms)
            if abs(error_ms) > self._allowed_ms(probe.intended_ms):
                link.late += 1
                if abs(error_ms) > abs(link.worst_ms):
                    link.worst_ms, link.worst_s = error_ms, max(0.0, probe.sent_s - start_s)

    def _allowed_ms(self, intended_ms: float) -> float:
        return max(self._tolerance.delay_percent / 100 * intended_ms, self._tolerance.delay_floor_ms)

    @property
    def disturbances(self) -> list[Disturbance]:
        """Links on which too many probes were off, at the time of the worst."""
        return [
            Disturbance(link.worst_s, "delay", _describe(src, dst, link))
            for (src, dst), link in self._links.items()
            if is_too_many(link.late, len(link.errors_ms))
        ]

    def delays(self) -> tuple[SentinelDelay, ...]:
        """What was measured on each link."""
        return tuple(
            SentinelDelay(
                src,
                dst,
                probes=len(link.errors_ms),
                late=link.late,
                delay_p50_ms=percentile(sorted(link.delays_ms), 500),
                error_p50_ms=percentile(sorted(link.errors_ms), 500),
                error_p99_ms=percentile(sorted(link.errors_ms), 990),
                error_max_ms=max(link.errors_ms, default=None),
            )
            for (src, dst), link in self._links.items()
        )


def _describe(src: str, dst: str, link: _Link) -> str:
    return (
        f"the delay of {link.late} of {len(link.errors_ms)} sentinel probes {src} -> {dst} was not as "
        f"configured, but up to {abs(link.worst_ms):.1f} ms {'more' if link.worst_ms > 0 else 'less'}"
    )
