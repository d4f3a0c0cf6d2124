"""The shape of a link in the units of the datapath: seconds and bytes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite
from typing import Any

from .jitter import CORRELATION_PER_JITTER, REACH, STEPS_PER_UNIT, truncated_delays

MTU_BYTES = 1500

CHUNK_SECONDS = 0.00025
"""A TCP super-packet is split into pieces with at most this transmission time, or single segments."""

_LEAST_QUEUE_PACKETS = 32
_LEAST_QUEUE_SECONDS = 0.025
_QUEUE_BDP = 1.5
_MOST_IN_FLIGHT_BYTES = 256 << 20


@dataclass
class Shape:
    """The behaviour of one link. It is changed in place, so that all pairs of nodes on it see the change.

    Attributes:
        delay_s: mean one-way delay.
        jitter_s: standard deviation of the delay.
        correlation_s: time between two packets from which on their delays are independent.
        truncated: delays by the normal value of a packet, see ``jitter.truncated_delays``; may be empty.
        seconds_per_byte: transmission time of one byte of an IP packet; 0 for an unlimited link.
        queue_bytes: bytes that may wait or be in transmission; further packets are dropped (tail drop).
        loss: probability that a packet is lost.
        segments: most segments of a super-packet in one piece; 0 for all of them.
        plain: whether packets pass without any change or delay.
    """

    delay_s: float = 0.0
    jitter_s: float = 0.0
    correlation_s: float = 0.0
    truncated: tuple[float, ...] = ()
    seconds_per_byte: float = 0.0
    queue_bytes: float = _MOST_IN_FLIGHT_BYTES
    loss: float = 0.0
    segments: int = 0
    plain: bool = True

    def become(self, other: Shape) -> None:
        """Copy the values of another shape."""
        self.__dict__.update(other.__dict__)

    def delay_for(self, normal: float) -> float:
        """The delay in s of a packet with this standard normal value (see ``jitter.Jitter``)."""
        delays = self.truncated
        if delays:
            place = (normal + REACH) * STEPS_PER_UNIT
            number = int(place)
            if number < 0 or number + 1 >= len(delays):
                return delays[0 if number < 0 else -1]
            return delays[number] + (place - number) * (delays[number + 1] - delays[number])
        delay_s = self.delay_s + self.jitter_s * normal
        return delay_s if delay_s > 0.0 else 0.0  # noqa: FURB136 (max() takes longer)


def from_link(link: Mapping[str, Any]) -> Shape:
    """The shape of a link from a request.

    It has latency_ms, jitter_ms, jitter_correlation_ms, bandwidth_mbit, queue_bytes and loss_percent.

    Raises:
        ValueError: a value is not a number or is out of range.
    """
    delay_s = _number(link, "latency_ms", 3_600_000) / 1000
    jitter_s = _number(link, "jitter_ms", 3_600_000) / 1000
    loss = _number(link, "loss_percent", 100) / 100
    mbit = None if link.get("bandwidth_mbit") is None else _number(link, "bandwidth_mbit", 1e6)
    if mbit is not None and mbit <= 0:
        raise ValueError(f"bandwidth_mbit is {mbit}, not above 0")
    bytes_per_second = mbit * 1e6 / 8 if mbit else 0.0
    return Shape(
        delay_s=delay_s,
        jitter_s=jitter_s,
        correlation_s=_correlation_ms(link) / 1000,
        truncated=truncated_delays(delay_s, jitter_s) if jitter_s else (),
        seconds_per_byte=1 / bytes_per_second if mbit else 0.0,
        queue_bytes=_queue_bytes(link, bytes_per_second, delay_s) if mbit else _MOST_IN_FLIGHT_BYTES,
        loss=loss,
        segments=_segments(bytes_per_second, loss),
        plain=not (delay_s or jitter_s or mbit or loss),
    )


def _correlation_ms(link: Mapping[str, Any]) -> float:
    if link.get("jitter_correlation_ms") is None:
        return CORRELATION_PER_JITTER * _number(link, "jitter_ms", 3_600_000)
    return _number(link, "jitter_correlation_ms", 3_600_000)


def to_link(shape: Shape) -> dict[str, float | None]:
    """The values of a link that has this shape."""
    return {
        "latency_ms": 1000 * shape.delay_s,
        "jitter_ms": 1000 * shape.jitter_s,
        "jitter_correlation_ms": 1000 * shape.correlation_s,
        "bandwidth_mbit": 8e-6 / shape.seconds_per_byte if shape.seconds_per_byte else None,
        "queue_bytes": shape.queue_bytes if shape.seconds_per_byte else None,
        "loss_percent": 100 * shape.loss,
    }


def _queue_bytes(link: Mapping[str, Any], bytes_per_second: float, delay_s: float) -> float:
    if link.get("queue_bytes") is None:
        return default_queue_bytes(bytes_per_second, delay_s)
    return _number(link, "queue_bytes", 1e9)


def default_queue_bytes(bytes_per_second: float, delay_s: float) -> float:
    """Queue length in bytes of a link that gives none, such that one TCP flow can use the whole link.

    A loss-based TCP requires about one bandwidth-delay product; the return path is assumed to have the same
    delay. At least 32 packets and at least 25 ms, so that short links hold the bursts of a sender.
    """
    return max(
        _LEAST_QUEUE_PACKETS * MTU_BYTES,
        bytes_per_second * _LEAST_QUEUE_SECONDS,
        _QUEUE_BDP * bytes_per_second * 2 * delay_s,
    )


def _segments(bytes_per_second: float, loss: float) -> int:
    if loss:
        return 1  # so that losses concern single network packets and not super-packets
    return max(1, int(bytes_per_second * CHUNK_SECONDS / MTU_BYTES)) if bytes_per_second else 0


def _number(link: Mapping[str, Any], key: str, most: float) -> float:
    value = link.get(key, 0) or 0
    if isinstance(value, bool) or not isinstance(value, int | float) or not isfinite(value):
        raise ValueError(f"{key} is {value!r}, not a number")
    if not 0 <= value <= most:
        raise ValueError(f"{key} is {value!r}, not between 0 and {most:g}")
    return float(value)
