"""Notices while workloads start that the network engine has ended."""

from __future__ import annotations

import time

from continuum.connection.deployment import Deployment
from continuum.network.engine import Engine
from continuum.rundir.run import Run

LEAST_INTERVAL_S = 0.5


class EngineGuard:
    """The network engine as something that may fail while others wait for their workloads.

    Args:
        engine: the engine.
        deployment: nodes that it connects.
        run: their run.
    """

    def __init__(self, engine: Engine, deployment: Deployment, run: Run) -> None:
        self._engine, self._deployment, self._run = engine, deployment, run
        self._next_s = 0.0

    def failures(self) -> tuple[str, ...]:
        """A line if the engine has ended; asked at most every ``LEAST_INTERVAL_S``."""
        if not self._engine.has_process or time.monotonic() < self._next_s:
            return ()
        health = self._engine.health(self._deployment, self._run)
        self._next_s = time.monotonic() + LEAST_INTERVAL_S
        return (
            () if health.alive else (f"the network engine ({self._engine.name}) has ended: {health.detail}",)
        )
