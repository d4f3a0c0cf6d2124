"""Expected measurements of a link, and their random variation. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import erf, exp, pi, sqrt
from statistics import NormalDist

from continuum.model.topology import Link
from continuum.network.fabric.jitter import CORRELATION_PER_JITTER
from continuum.network.fabric.shape import default_queue_bytes
from continuum.options.tolerance import Tolerance

STANDARD_ERRORS = 3.0
"""Standard errors that a deviation may have to be explained by chance; 1 in 370 deviates more."""

SPREAD_PERCENT = 25.0
"""Allowed difference between the spread of delays and the configured jitter, beside chance."""

_SPREAD_ERROR = 1.2
"""Standard error of a standard deviation estimated from quartiles, in deviations times the root of n."""

TRIMMED_SHARE = 0.05
"""Share of samples removed at either end, since the host also causes delays."""


@dataclass(frozen=True)
class Moments:
    """Mean and standard deviation of a delay, in ms."""

    mean_ms: float
    deviation_ms: float

    def plus(self, other: Moments) -> Moments:
        """Mean and deviation of the sum of two independent delays."""
        return Moments(self.mean_ms + other.mean_ms, sqrt(self.deviation_ms**2 + other.deviation_ms**2))


def one_way(link: Link, packet_bytes: int) -> Moments:
    """The delay of one packet on an idle link: transmission time and truncated normal distribution.

    Moments of a normal distribution truncated at 0 from below (Johnson, Kotz and Balakrishnan,
    Continuous Univariate Distributions 1, section 10.1).
    """
    sending_ms = packet_bytes * 8 / link.bandwidth_mbit / 1e3 if link.bandwidth_mbit else 0.0
    mean, deviation = link.latency_ms, link.jitter_ms
    if deviation:
        alpha = -mean / deviation
        hazard = exp(-alpha * alpha / 2) / sqrt(2 * pi) / (0.5 * (1 - erf(alpha / sqrt(2))))
        mean += deviation * hazard
        deviation *= sqrt(1 + alpha * hazard - hazard * hazard)
    return Moments(mean + sending_ms, deviation)


def correlation_ms(link: Link) -> float:
    """Time in ms between two packets from which on their delays are independent."""
    if link.jitter_correlation_ms is None:
        return CORRELATION_PER_JITTER * link.jitter_ms
    return link.jitter_correlation_ms if link.jitter_ms else 0.0


def queue_bytes(link: Link) -> float | None:
    """Bytes of IP packets that may wait for a link or be in transmission; None if the link is unlimited."""
    if link.bandwidth_mbit is None or link.queue_bytes is not None:
        return None if link.bandwidth_mbit is None else link.queue_bytes
    return default_queue_bytes(link.bandwidth_mbit * 1e6 / 8, link.latency_ms / 1e3)


def centre(samples: Sequence[float], link_moments: Moments) -> float:
    """The mean of the samples, trimmed if the distribution is nearly symmetric."""
    if link_moments.mean_ms >= 2.5 * link_moments.deviation_ms:
        samples = trimmed(samples)
    return sum(samples) / len(samples)


def trimmed(samples: Sequence[float]) -> Sequence[float]:
    """The samples in order, without ``TRIMMED_SHARE`` of them at either end."""
    ordered = sorted(samples)
    cut = int(len(ordered) * TRIMMED_SHARE)
    return ordered[cut : len(ordered) - cut]


def median(samples: Sequence[float]) -> float:
    """The median of the samples."""
    ordered = sorted(samples)
    middle = len(ordered) // 2
    return ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2


def quartile_range(samples: Sequence[float]) -> float:
    """The distance between the quartiles, which single delays of the host do not change."""
    ordered = sorted(samples)
    return ordered[(3 * len(ordered)) // 4] - ordered[len(ordered) // 4]


def expected_quartile_range(link: Link) -> float:
    """The distance in ms between the quartiles of a link's delay, a normal distribution truncated at 0."""
    if not link.jitter_ms:
        return 0.0
    normal = NormalDist(link.latency_ms, link.jitter_ms)
    below = normal.cdf(0.0)
    lower, upper = (normal.inv_cdf(below + share * (1 - below)) for share in (0.25, 0.75))
    return upper - lower


def spread_problem(samples_ms: Sequence[float], link: Link, tolerance: Tolerance) -> str:
    """How the spread of these one-way delays differs from the jitter of the link; empty if they agree.

    Compares the distance between the quartiles with that of the configured distribution, as standard
    deviations of a normal distribution. Finds a jitter that is missing or applied where none is configured.
    """
    quartiles = NormalDist().inv_cdf(0.75) * 2
    expected_ms, found_ms = expected_quartile_range(link) / quartiles, quartile_range(samples_ms) / quartiles
    share = max(SPREAD_PERCENT, tolerance.delay_percent) / 100
    allowed_ms = max(share * expected_ms, tolerance.delay_floor_ms)
    chance_ms = STANDARD_ERRORS * _SPREAD_ERROR * expected_ms / sqrt(len(samples_ms))
    if abs(found_ms - expected_ms) <= allowed_ms + chance_ms:
        return ""
    return (
        f"jitter {found_ms:.2f} ms instead of {expected_ms:.2f} ms"
        f" (allowed: {allowed_ms:.2f} ms and {chance_ms:.2f} ms by chance)"
    )


def delay_problem(
    what: str,
    samples_ms: Sequence[float],
    expected: Moments,
    tolerance: Tolerance,
    standard_errors: float = STANDARD_ERRORS,
) -> str:
    """How these delays differ from those of the link; empty if they agree."""
    found = centre(samples_ms, expected) if expected.deviation_ms else median(samples_ms)
    allowed = max(tolerance.delay_percent / 100 * expected.mean_ms, tolerance.delay_floor_ms)
    chance = standard_errors * expected.deviation_ms / sqrt(len(samples_ms))
    if abs(found - expected.mean_ms) <= allowed + chance:
        return ""
    by_chance = f" and {chance:.2f} ms for jitter" if chance else ""
    return (
        f"{what} {found:.2f} ms instead of {expected.mean_ms:.2f} ms (allowed: {allowed:.2f} ms{by_chance})"
    )


def lateness_problem(
    what: str,
    late_ms: Sequence[float],
    expected: Moments,
    tolerance: Tolerance,
    standard_errors: float = STANDARD_ERRORS,
) -> str:
    """How delays differ from those that the network engine chose for the same packets; empty if they agree.

    The tolerance is that of ``delay_problem``; the jitter of the link adds no uncertainty.
    """
    kept = trimmed(late_ms)
    found = sum(kept) / len(kept)
    allowed = max(tolerance.delay_percent / 100 * expected.mean_ms, tolerance.delay_floor_ms)
    chance = standard_errors * sqrt(sum((one - found) ** 2 for one in kept)) / len(kept)
    if abs(found) <= allowed + chance:
        return ""
    return f"{what} {found:+.2f} ms off the delay that the network engine chose (allowed: {allowed:.2f} ms)"


def loss_problem(link: Link, sent: int, arrived: int, standard_errors: float = STANDARD_ERRORS) -> str:
    """How the share of lost packets differs from that of the link; empty if they agree."""
    share = link.loss_percent / 100
    lost = 1 - arrived / sent
    allowed = standard_errors * sqrt(share * (1 - share) / sent) + (1.5 / sent if share < 1 else 0.0)
    if abs(lost - share) <= allowed:
        return ""
    return f"{lost:.1%} of {sent} packets lost instead of {share:.1%} (allowed: {allowed:.1%})"


def throughput_problem(link: Link, mbit: float, packets: float, tolerance: Tolerance) -> str:
    """How the rate at the IP layer differs from that of the link; empty if they agree.

    Args:
        link: the link.
        mbit: rate measured at the receiver in Mbit/s.
        packets: number of packets measured, which determines the random variation of losses.
        tolerance: allowed deviation.
    """
    if link.bandwidth_mbit is None:
        return ""
    share = link.loss_percent / 100
    expected = link.bandwidth_mbit * (1 - share)
    allowed = tolerance.throughput_percent / 100 * expected
    allowed += STANDARD_ERRORS * sqrt(share * (1 - share) / max(1.0, packets)) * link.bandwidth_mbit
    if abs(mbit - expected) <= allowed:
        return ""
    return f"throughput {mbit:.2f} Mbit/s instead of {expected:.2f} (allowed: {allowed:.2f})"
