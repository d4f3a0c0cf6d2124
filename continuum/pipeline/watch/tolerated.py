"""How much disturbance a valid run may have."""

from __future__ import annotations

from dataclasses import dataclass

from continuum.model.config import Config
from continuum.options.tolerance import Tolerance

SENTINELS = Tolerance(2.0, 1.0, 2.0)


@dataclass(frozen=True)
class Tolerated:
    """Thresholds, see ``[run]`` in the configuration reference.

    Attributes:
        loss_percent: share of requests that may be lost or fail.
        stall_ms: time that the network engine may take until it handles a request.
        delay: difference of a packet's delay from the intended one that 99 % of the sentinel probes keep.
        foreign_cpu_percent: share of this host's CPU time that others may use for more than a second.
    """

    loss_percent: float = 1.0
    stall_ms: float = 200.0
    foreign_cpu_percent: float = 5.0
    delay: Tolerance = SENTINELS

    @classmethod
    def of(cls, config: Config) -> Tolerated:
        """The thresholds of a config."""
        section = config.run
        delay = section.values["tolerated_delay"]
        return cls(
            section.real("tolerated_loss"),
            section.real("tolerated_stall"),
            section.real("tolerated_foreign_cpu"),
            delay if isinstance(delay, Tolerance) else SENTINELS,
        )
