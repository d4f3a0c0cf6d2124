"""Whether the network engine lived and kept up. Pure."""

from __future__ import annotations

from continuum.model.fidelity import Disturbance
from continuum.network.engine import Health

MOST_STALLS = 5
"""Later stalls are counted but not listed."""


class EngineWatch:
    """Judges the state of a network engine over time.

    Args:
        name: name of the engine.
        stall_ms: how long it may take until it handles a request.

    Attributes:
        checks: number of states seen.
        longest_stall_ms: longest time until it handled a request; None before the first state.
        disturbances: its death, and its first stalls.
    """

    def __init__(self, name: str, stall_ms: float) -> None:
        self._name, self._stall_ms = name, stall_ms
        self.checks = 0
        self.longest_stall_ms: float | None = None
        self.disturbances: list[Disturbance] = []
        self._stalls = 0
        self._stalled_since_s: float | None = None
        self._dead = False

    def note(self, asked_at_s: float, health: Health, waited_s: float) -> float | None:
        """Judge one state.

        Args:
            asked_at_s: when it was asked for, in seconds since the start of the load.
            health: the state.
            waited_s: time until there was an answer, or until the time-out.

        Returns:
            Time in ms until the engine handled the request, at least; None if it is dead.
        """
        self.checks += 1
        if not health.alive:
            if not self._dead:
                detail = f": {health.detail}" if health.detail else ""
                what = f"the network engine ({self._name}) has died{detail}"
                self.disturbances.append(Disturbance(asked_at_s, "engine_dead", what))
            self._dead = True
            return None
        delay_ms = 1e3 * (waited_s if health.delay_s is None else health.delay_s)
        if delay_ms <= self._stall_ms:
            self._stalled_since_s = None
        else:
            delay_ms = self._note_stall(asked_at_s, delay_ms)
        self.longest_stall_ms = max(delay_ms, self.longest_stall_ms or 0.0)
        return delay_ms

    def _note_stall(self, asked_at_s: float, delay_ms: float) -> float:
        """Report a stall, or that the last one goes on; returns its length in ms so far."""
        goes_on = self._stalled_since_s is not None
        since_s = asked_at_s if self._stalled_since_s is None else self._stalled_since_s
        length_ms = 1e3 * (asked_at_s - since_s) + delay_ms
        self._stalled_since_s = since_s
        self._stalls += not goes_on
        if self._stalls <= MOST_STALLS:
            what = (
                f"the network engine ({self._name}) stalled for at least {length_ms:.0f} ms "
                f"(tolerated: {self._stall_ms:g} ms)"
            )
            if goes_on:
                self.disturbances.pop()
            self.disturbances.append(Disturbance(since_s, "engine_stalled", what))
        return length_ms
