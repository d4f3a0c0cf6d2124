"""What the network engine says about its own work, beside which the measurements are judged."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from continuum.connection.deployment import Deployment
from continuum.model.topology import Link
from continuum.network.engine import Engine
from continuum.rundir.run import Run

Losses = Mapping[tuple[str, str], tuple[int, int]]
"""By ordered pair of tiers: packets that the network engine received, and those of them that it lost."""


class EngineView:
    """An engine that says nothing; subclasses say what their engine knows.

    Attributes:
        tells_intended: whether the engine knows the delay that it has chosen for a probe.
    """

    tells_intended = False

    def losses(self) -> Losses:
        """Its counters; empty if it has none."""
        return {}

    def expect_probes(self, pairs: Sequence[tuple[str, str, int]]) -> None:
        """Let it note the delays of probes: sending node, receiving node, UDP port of each path."""

    def intended_ms(self) -> Mapping[tuple[int, int], float]:
        """Delay chosen for each probe since the last call, by stream and number."""
        return {}

    def applied(self) -> tuple[Link, ...] | None:
        """The links that it applies; None if it does not know."""
        return None


class RunningEngine(EngineView):
    """The engine of a run.

    Args:
        engine: the engine.
        deployment: the nodes whose links it emulates.
        run: their run.
    """

    def __init__(self, engine: Engine, deployment: Deployment, run: Run) -> None:
        self._engine, self._deployment, self._run = engine, deployment, run
        self.tells_intended = engine.tells_intended

    def losses(self) -> Losses:
        """The counters in its state."""
        links = self._engine.health(self._deployment, self._run).links
        return {(link.src, link.dst): (link.packets + link.lost, link.lost) for link in links}

    def expect_probes(self, pairs: Sequence[tuple[str, str, int]]) -> None:
        """Let it note the delays of probes, if it can."""
        if self.tells_intended:
            self._engine.expect_probes(self._run, pairs)

    def intended_ms(self) -> Mapping[tuple[int, int], float]:
        """The delays that it has noted."""
        return self._engine.intended_ms(self._run) if self.tells_intended else {}

    def applied(self) -> tuple[Link, ...] | None:
        """The links that it applies."""
        return self._engine.applied(self._run)
