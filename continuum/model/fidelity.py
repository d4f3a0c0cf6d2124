"""What disturbed a run while its load ran, as part of the result."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Disturbance:
    """Something that happened during the load and makes the run invalid.

    Attributes:
        at_s: when it began, in seconds since the start of the load.
        kind: ``engine_dead``, ``engine_stalled``, ``link_changed``, ``packets_dropped``, ``delay``,
            ``foreign_cpu``, ``steal`` or ``unwatched``.
        what: what happened, with its figures.
    """

    at_s: float
    kind: str
    what: str

    @property
    def reason(self) -> str:
        """What happened and when, in one line."""
        return f"{self.what} ({self.at_s:.1f} s after the start of the load)"


@dataclass(frozen=True)
class Reading:
    """The state of engine and host during one interval.

    Attributes:
        at_s: end of the interval, in seconds since the start of the load.
        engine_delay_ms: longest time until the network engine handled a request; None if it did not.
        foreign_cpu_percent: CPU time that processes of others used, in percent of this host's CPUs.
        steal_percent: CPU time that the hypervisor gave to other virtual machines, in percent of the same.
        running: processes of this host that ran or waited for a CPU at the end of the interval.
        pressure_percent: share of the interval in which a process waited for a CPU (PSI).
    """

    at_s: float
    engine_delay_ms: float | None = None
    foreign_cpu_percent: float | None = None
    steal_percent: float | None = None
    running: int | None = None
    pressure_percent: float | None = None


@dataclass(frozen=True)
class LinkTraffic:
    """IP packets between two tiers during the load, as the network engine counted them.

    Attributes:
        src: tier that sent.
        dst: tier that received.
        packets: delivered or still in flight.
        lost: lost as configured.
        dropped_queue: dropped because the queue of a link with a bandwidth was full.
    """

    src: str
    dst: str
    packets: int = 0
    lost: int = 0
    dropped_queue: int = 0


@dataclass(frozen=True)
class NodeStrain:
    """What a node had to wait for or lost during the load.

    Attributes:
        name: the node's name.
        throttled_s: time in which its programs waited for its CPU quota; None if unknown.
        unread_packets: packets dropped before the network engine could read them; None if unknown.
    """

    name: str
    throttled_s: float | None = None
    unread_packets: int | None = None


@dataclass(frozen=True)
class SentinelDelay:
    """Delays of sentinel probes between two tiers, compared with what the network engine intended for each.

    Attributes:
        src: tier that sent them.
        dst: tier that received them.
        probes: number of probes that arrived and can be compared.
        late: of those, the ones that are off by more than is tolerated.
        delay_p50_ms: median one-way delay.
        error_p50_ms: median of the absolute difference from the intended delay.
        error_p99_ms: its 99th percentile; None if there are too few probes.
        error_max_ms: the largest.
    """

    src: str
    dst: str
    probes: int = 0
    late: int = 0
    delay_p50_ms: float | None = None
    error_p50_ms: float | None = None
    error_p99_ms: float | None = None
    error_max_ms: float | None = None


@dataclass(frozen=True)
class During:
    """What was observed from the first request to the last.

    Attributes:
        seconds: how long the load was watched.
        engine_checks: how often the network engine was asked for its state.
        longest_stall_ms: longest time until it handled a request; None if it was not asked.
        link_changes: how often links were changed.
        undeliverable: packets that the interface of the receiving node refused.
        tolerated_stall_ms: threshold for ``longest_stall_ms``.
        tolerated_foreign_cpu_percent: threshold for CPU time of others and for steal.
        watching_cpu_s: CPU time of watching, without that of the network engine.
        links: packets by ordered pair of tiers.
        sentinels: delays of sentinel probes by ordered pair of tiers.
        nodes: throttling and drops by node.
        readings: engine and host over time.
        disturbances: what makes the run invalid.
        unwatched: what could not be watched, and why.
    """

    seconds: float = 0.0
    engine_checks: int = 0
    longest_stall_ms: float | None = None
    link_changes: int = 0
    undeliverable: int = 0
    tolerated_stall_ms: float = 0.0
    tolerated_foreign_cpu_percent: float = 0.0
    watching_cpu_s: float = 0.0
    links: tuple[LinkTraffic, ...] = ()
    sentinels: tuple[SentinelDelay, ...] = ()
    nodes: tuple[NodeStrain, ...] = ()
    readings: tuple[Reading, ...] = ()
    disturbances: tuple[Disturbance, ...] = ()
    unwatched: tuple[str, ...] = ()


@dataclass(frozen=True)
class Burst:
    """How long a processor of a node took for a piece of work, in the median of several.

    Attributes:
        work_ms: CPU time that it takes, which is its duration on a processor at full speed.
        wall_ms: how long it took.
        expected_ms: how long it takes on a processor with the configured speed.
        ok: whether both agree within the tolerance.
    """

    work_ms: float
    wall_ms: float
    expected_ms: float
    ok: bool


@dataclass(frozen=True)
class Processors:
    """The speed of the processors of a tier's nodes, measured on one of them before the load.

    Attributes:
        tier: the tier.
        node: the node on which it was measured.
        speed: configured speed, as a share of this host's; below 1.
        paced: whether the node is stopped between slices of work; if not, only a quota bounds its CPU time.
        bursts: pieces of work of different lengths.
    """

    tier: str
    node: str
    speed: float
    paced: bool = False
    bursts: tuple[Burst, ...] = ()


@dataclass(frozen=True)
class Fidelity:
    """How faithfully the run kept to its configuration.

    Attributes:
        during: during the load; None if the run had none.
        processors: speed of slow processors, before the load.
    """

    during: During | None = None
    processors: tuple[Processors, ...] = ()
