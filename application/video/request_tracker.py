"""Tracks requests until each has exactly one outcome."""

from __future__ import annotations

import heapq
import threading
from collections import deque
from dataclasses import dataclass, field
from typing import Literal

from continuum.sdk.session import percentile_50

End = Literal["completed", "lost", "failed"]
_RECENT = 200


@dataclass(frozen=True)
class Pending:
    """A request without an answer yet.

    Attributes:
        due_ns: its intended time.
        frame: index of its frame in the video.
    """

    due_ns: int
    frame: int


@dataclass
class RequestTracker:
    """Counts requests by outcome: the first of answer and deadline counts. Thread-safe.

    Attributes:
        sent: requests sent so far.
        ended: requests by outcome.
    """

    sent: int = 0
    ended: dict[End, int] = field(default_factory=lambda: {"completed": 0, "lost": 0, "failed": 0})
    _pending: dict[str, Pending] = field(default_factory=dict)
    _deadlines: list[tuple[int, str]] = field(default_factory=list)
    _latencies_ms: deque[float] = field(default_factory=lambda: deque(maxlen=_RECENT))
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def open(self, request: str, pending: Pending, deadline_ns: int) -> None:
        """Add a request that is about to be sent."""
        with self._lock:
            self.sent += 1
            self._pending[request] = pending
            heapq.heappush(self._deadlines, (deadline_ns, request))

    def close(self, request: str, end: End, now_ns: int) -> Pending | None:
        """End a request; returns None if it has ended before."""
        with self._lock:
            return self._close(request, end, now_ns)

    def _close(self, request: str, end: End, now_ns: int) -> Pending | None:
        pending = self._pending.pop(request, None)
        if pending is not None:
            self.ended[end] += 1
            if end == "completed":
                self._latencies_ms.append((now_ns - pending.due_ns) / 1e6)
        return pending

    def is_open(self, request: str) -> bool:
        """Whether a request has no outcome yet."""
        with self._lock:
            return request in self._pending

    def expire(self, now_ns: int) -> list[str]:
        """End the requests whose deadline has passed, as lost; returns their ids."""
        lost = []
        with self._lock:
            while self._deadlines and self._deadlines[0][0] <= now_ns:
                request = heapq.heappop(self._deadlines)[1]
                if self._close(request, "lost", now_ns):
                    lost.append(request)
        return lost

    @property
    def waiting(self) -> int:
        """Number of requests without an outcome."""
        with self._lock:
            return len(self._pending)

    def numbers(self) -> dict[str, float | None]:
        """Numbers for a progress line; ``p50_ms`` is the median of recent answers."""
        with self._lock:
            p50_ms = percentile_50(self._latencies_ms)
            numbers: dict[str, float | None] = {"sent": self.sent, **dict(self.ended.items())}
            numbers["p50_ms"] = None if p50_ms is None else round(p50_ms, 3)
            return numbers
