"""Links by the kernel's traffic control: a policer, an HTB class and a netem queue per destination.

HTB only separates destinations; netem does rate, delay, jitter and loss. netem sets the departure time of a
packet at its arrival. A timer that fires late, as in a busy virtual machine, then delays a packet but does
not reduce the rate, whereas HTB would lose tokens (see docs/adr/0050).

netem can limit only the number of packets, those in flight included. The policer limits the bytes that wait:
with the rate of the link and a burst of the queue's length, it drops exactly the packets that do not fit
(see docs/adr/0014).

Pure functions build the commands; the commands of a node run in one batch (``tc -batch``).

netem draws jitter for every packet, so that packets that are sent together wait for the slowest. Where the
kernel can nest netem queues, an outer one holds each burst for one random time (``slot``), and the inner one
does the rest (see docs/adr/0015).

Differences from the fabric: the kernel truncates a delay below 0 to 0 instead of drawing again, and applies
loss before the rate.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from math import ceil
from typing import TYPE_CHECKING, TypeVar

from continuum.errors import ContinuumError
from continuum.model.topology import Link, Topology
from continuum.network import netem_layers
from continuum.network.fabric.shape import MTU_BYTES
from continuum.network.link_model import queue_bytes
from continuum.network.routes import Route

if TYPE_CHECKING:
    from continuum.connection.base import Connection
    from continuum.connection.deployment import Deployment

T = TypeVar("T")
Command = tuple[str, ...]

LEAST_QUEUE_PACKETS = 1000
"""The default of netem."""

HELD_DEVIATIONS = 2.0
"""Mean time that an outer queue holds a burst, in standard deviations; one draw in 44 is below 0."""

LEAST_PACKET_BYTES = 64
"""Smallest packets that the limit of a queue allows for."""

UNLIMITED_MBIT = 10_000.0
"""Rate that the queue of an unlimited link is sized for, with packets of the MTU."""

_UNLIMITED_RATE = "100gbit"
_CLASS_BURST = "10mb"
_ETHERNET_BYTES = 14
_WITH_ETHERNET = (MTU_BYTES + _ETHERNET_BYTES) / MTU_BYTES
_TIMEOUT_S = 120.0
_LOOK_TIMEOUT_S = 15.0


def root_command(interface: str) -> Command:
    """The root of all classes. HTB cannot be changed in place, so the interface must have no queue yet."""
    return ("tc", "qdisc", "replace", "dev", interface, "root", "handle", "1:", "htb")


def route_commands(interface: str, number: int, route: Route, *, nested: bool = False) -> tuple[Command, ...]:
    """The commands that shape traffic to one destination; repeated, they change it in place.

    Args:
        interface: the sender's interface.
        number: constant number of the destination, from 1 to 4095.
        route: destination and link.
        nested: whether jitter has a queue of its own; must not change for an interface.
    """
    minor, major, rate = f"{number:x}", f"{number + 1:x}", _UNLIMITED_RATE
    outer, inner = nested_options(route.link) if nested else (netem_options(route.link), ())
    return (
        (
            *("tc", "class", "replace", "dev", interface, "parent", "1:", "classid", f"1:{minor}"),
            *("htb", "rate", rate, "ceil", rate, "burst", _CLASS_BURST, "cburst", _CLASS_BURST),
            *("quantum", str(MTU_BYTES + _ETHERNET_BYTES)),
        ),
        (
            *("tc", "qdisc", "replace", "dev", interface, "parent", f"1:{minor}"),
            *("handle", f"{major}:"),
            *outer,
        ),
        *_inner_commands(interface, number, inner),
        (
            *("tc", "filter", "replace", "dev", interface, "parent", "1:", "protocol", "ip", "prio", "1"),
            *("handle", f"800::{minor}", "u32", "match", "ip", "dst", f"{route.address}/32"),
            *("flowid", f"1:{minor}"),
            *policer(route.link),
        ),
    )


def _inner_commands(interface: str, number: int, options: Command) -> tuple[Command, ...]:
    place = ("parent", f"{number + 1:x}:1", "handle", f"{netem_layers.INNER + number:x}:")
    return (("tc", "qdisc", "replace", "dev", interface, *place, *options),) if options else ()


def nested_options(link: Link) -> tuple[Command, Command]:
    """An outer queue that holds bursts for the jitter of a link, and an inner one for the rest of it.

    The outer queue opens at random times after the first packet that it holds, so that packets that are sent
    together leave together. ``slot 0us`` switches that off.
    """
    limit = str(queue_packets(link))
    if not link.jitter_ms:
        return ("netem", "limit", limit, "slot", "0us"), netem_options(link)
    held_ms = min(link.latency_ms, HELD_DEVIATIONS * link.jitter_ms)
    times = (_microseconds(held_ms), _microseconds(link.jitter_ms))
    outer = ("netem", "limit", limit, "slot", "distribution", "normal", *times)
    rest = replace(link, latency_ms=link.latency_ms - held_ms, jitter_ms=0.0, queue_bytes=queue_bytes(link))
    return outer, netem_options(rest)


def netem_options(link: Link) -> Command:
    """The netem queue of a link with its parameters.

    With a ``rate`` netem keeps packets in order under jitter, because it counts from the departure of the
    packet before; a rate far above that of any link has no other effect. tc rejects a distribution without a
    delay, so jitter without delay gets the smallest one.
    """
    words = ["netem", "limit", str(queue_packets(link))]
    if link.latency_ms or link.jitter_ms:
        words += ["delay", _microseconds(link.latency_ms or 0.001)]
    if link.jitter_ms:
        words += [_microseconds(link.jitter_ms), "distribution", "normal"]
    if link.loss_percent:
        words += ["loss", "random", f"{link.loss_percent:g}%"]
    if link.jitter_ms or link.bandwidth_mbit is not None:
        words += ["rate", _rate(link)]
    return tuple(words)


def policer(link: Link) -> Command:
    """The policer that drops what does not fit into the queue of a link; empty for an unlimited link.

    Its bucket of tokens is the free room of the queue. ``mtu`` allows large TCP segments (GSO).
    """
    waiting = queue_bytes(link)
    if waiting is None:
        return ()
    burst = str(round(waiting * _WITH_ETHERNET))
    return (
        *("action", "police", "rate", _rate(link), "burst", burst, "mtu", "64kb"),
        *("conform-exceed", "drop/ok"),
    )


def queue_packets(link: Link) -> int:
    """Limit of netem in packets: those in flight (bandwidth x delay and jitter) and those waiting.

    It never applies: small packets fit, since the policer limits what waits. A lower limit silently caps the
    throughput: the default of 1,000 packets at 100 ms allows 120 Mbit/s.
    """
    waiting, smallest = queue_bytes(link), LEAST_PACKET_BYTES
    if waiting is None:
        waiting, smallest = 0.0, MTU_BYTES
    bytes_per_second = (link.bandwidth_mbit or UNLIMITED_MBIT) * 1e6 / 8
    in_flight = bytes_per_second * (link.latency_ms + 3 * link.jitter_ms) / 1e3
    return max(LEAST_QUEUE_PACKETS, ceil((in_flight + waiting) / smallest))


def removal_command(interface: str) -> Command:
    """The command that removes everything; it fails if the interface is not shaped."""
    return ("tc", "qdisc", "del", "dev", interface, "root")


def _rate(link: Link) -> str:
    """The rate for netem, which includes Ethernet headers; bandwidth is defined at the IP layer."""
    if link.bandwidth_mbit is None:
        return _UNLIMITED_RATE
    return f"{round(link.bandwidth_mbit * 1e6 * _WITH_ETHERNET)}bit"


def _microseconds(milliseconds: float) -> str:
    return f"{max(1, round(milliseconds * 1000))}us"


def class_numbers(topology: Topology) -> dict[str, int]:
    """The constant number of every node as a destination."""
    return {node.name: number for number, node in enumerate(topology.nodes, start=1)}


def by_node(
    deployment: Deployment,
    routes: Iterable[Route],
    numbers: Mapping[str, int],
    *,
    fresh: bool,
    nested: Collection[str] = (),
) -> dict[str, tuple[Command, ...]]:
    """The commands of every node, in order.

    Args:
        deployment: the nodes.
        routes: the paths to shape.
        numbers: the number of every node, see ``class_numbers``.
        fresh: whether the root of all classes is among the commands.
        nested: nodes on which queues are nested.
    """
    commands: dict[str, list[Command]] = {}
    for route in routes:
        interface = _interface(deployment, route.src)
        mine = commands.setdefault(route.src, [root_command(interface)] if fresh else [])
        mine += route_commands(interface, numbers[route.dst], route, nested=route.src in nested)
    return {name: tuple(mine) for name, mine in commands.items()}


def _interface(deployment: Deployment, node: str) -> str:
    return deployment.node(node).interface


def execute(deployment: Deployment, commands: Mapping[str, Sequence[Command]], *, fresh: bool) -> None:
    """Run the commands of all nodes in parallel; removes existing queues first if ``fresh``.

    Raises:
        CommandFailed: a command failed on a node.
    """

    def on_node(name: str, connection: Connection) -> None:
        if fresh:
            interface = _interface(deployment, name)
            connection.run(removal_command(interface), timeout=_TIMEOUT_S, check=False)
        batch = "".join(" ".join(command[1:]) + "\n" for command in commands[name])
        connection.run(("tc", "-batch", "-"), timeout=_TIMEOUT_S, stdin=batch.encode("ascii"))

    _everywhere({name: deployment.connections[name] for name in commands}, on_node)


def nested_nodes(deployment: Deployment, senders: Iterable[str], *, fresh: bool) -> frozenset[str]:
    """The senders whose queues can be nested if ``fresh``, else those whose queues are."""

    def ask(name: str, connection: Connection) -> bool:
        if fresh:
            return netem_layers.can_nest(connection)
        return netem_layers.is_nested(connection, _interface(deployment, name))

    found = _everywhere({name: deployment.connections[name] for name in set(senders)}, ask)
    return frozenset(name for name, is_true in found.items() if is_true)


def has_root(shown: str) -> bool:
    """Whether the output of ``tc qdisc show`` has the root of all classes."""
    return "qdisc htb 1: root" in shown


def nodes_without_root(deployment: Deployment) -> tuple[str, ...]:
    """Nodes whose interface has no root class any more; nodes that do not answer are not among them."""

    def is_missing(name: str, connection: Connection) -> bool:
        shown = ""
        with suppress(ContinuumError):
            argv = ("tc", "qdisc", "show", "dev", _interface(deployment, name))
            shown = connection.run(argv, timeout=_LOOK_TIMEOUT_S).stdout
        return bool(shown) and not has_root(shown)

    if len(deployment.nodes) < 2:
        return ()
    found = _everywhere(deployment.connections, is_missing)
    return tuple(name for name, missing in found.items() if missing)


def _everywhere(connections: Mapping[str, Connection], act: Callable[[str, Connection], T]) -> dict[str, T]:
    """Act on all nodes in parallel; raises the first error."""
    if not connections:
        return {}
    with ThreadPoolExecutor(max_workers=min(32, len(connections))) as pool:
        results = {name: pool.submit(act, name, one) for name, one in connections.items()}
    return {name: result.result() for name, result in results.items()}
