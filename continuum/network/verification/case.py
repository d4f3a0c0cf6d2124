"""One measured pair of nodes: what was configured for its link and what was found."""

from __future__ import annotations

from dataclasses import dataclass, field

from continuum.model.topology import Link
from continuum.network.link_model import Moments, one_way

PROBE_BYTES = 69
"""Size of the IP packet of a probe: 28 bytes of headers and 41 of the agent."""

FAST_MBIT = 150.0
"""From this rate on, throughput is measured with TCP: Python is too slow for single UDP packets."""

FOREIGN_FAST_MBIT = 2.0
"""The same for nodes with their own kernel: a TCG-emulated guest sends few packets a second."""


@dataclass(frozen=True)
class Probing:
    """One measurement of delays.

    Attributes:
        sent: probes sent.
        trips_ms: round trips of the probes that were answered.
        one_way_ms: one-way delays of the probes that arrived.
        late_ms: one-way delays, less the delays that the network engine chose; empty if unknown.
    """

    sent: int
    trips_ms: tuple[float, ...] = ()
    one_way_ms: tuple[float, ...] = ()
    late_ms: tuple[float, ...] = ()


@dataclass(eq=False)
class Case:
    """A link, the nodes between which it is measured, and the measurements so far.

    Attributes:
        link: the link as configured.
        back: the link in the opposite direction.
        src: node that sends.
        dst: node that receives.
        same_clock: whether both nodes read the clock of this host.
        has_rate: whether the throughput is measured between these nodes.
        probings: the measurements of delays, one per attempt.
        offered: packets that the network engine has counted on the link during the measurements.
        lost: those that it has lost on purpose.
        throughput_mbit: measured rate at the IP layer; None if not measured.
        train_packets: UDP packets that the rate was measured with.
        attempts: measurements so far.
        busy: by node, share of time that its busiest processor worked during a TCP flow.
    """

    link: Link
    back: Link
    src: str
    dst: str
    same_clock: bool
    has_rate: bool = True
    probings: list[Probing] = field(default_factory=list)
    offered: int = 0
    lost: int = 0
    throughput_mbit: float | None = None
    train_packets: float = 0.0
    attempts: int = 0
    busy: dict[str, float] = field(default_factory=dict)

    @property
    def sent(self) -> int:
        """Probes sent by all attempts."""
        return sum(one.sent for one in self.probings)

    @property
    def trips_ms(self) -> list[float]:
        """Round trips measured by all attempts."""
        return [trip_ms for one in self.probings for trip_ms in one.trips_ms]

    @property
    def one_way_ms(self) -> list[float]:
        """One-way delays measured by all attempts."""
        return [delay_ms for one in self.probings for delay_ms in one.one_way_ms]

    @property
    def together(self) -> Probing:
        """The measurements of all attempts as one."""
        return Probing(
            self.sent,
            tuple(self.trips_ms),
            tuple(self.one_way_ms),
            tuple(late_ms for one in self.probings for late_ms in one.late_ms),
        )

    @property
    def trip(self) -> Moments:
        """The round trip that both links should give."""
        return one_way(self.link, PROBE_BYTES).plus(one_way(self.back, PROBE_BYTES))

    @property
    def fast_mbit(self) -> float:
        """The rate from which on TCP measures throughput."""
        return FAST_MBIT if self.same_clock else FOREIGN_FAST_MBIT

    @property
    def is_fast(self) -> bool:
        """Whether TCP measures the throughput of this link."""
        mbit = self.link.bandwidth_mbit
        return mbit is None or (mbit >= self.fast_mbit and not self.link.loss_percent)
