"""Links by the kernel's traffic control: an HTB class and a netem queue per destination, on the egress.

HTB only tells destinations apart; rate, delay, jitter and loss are all netem's. It sets each packet's time
of departure when the packet comes, so that a timer that fires late, as in a busy virtual machine, delays a
packet but takes nothing off the rate; HTB's tokens would be lost (see docs/adr/0050).

The commands are built by pure functions and run by thin ones, a whole node's at once (``tc -batch``).

What differs from the fabric, because the kernel does it so: a delay below 0 is cut off at 0 instead of
drawn again, jitter is drawn for every packet, and loss strikes before the rate does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from math import ceil
from typing import TYPE_CHECKING, Any, TypeVar

from continuum.model.topology import Link, Topology
from continuum.network.fabric.shape import MTU_BYTES, queue_bytes
from continuum.network.plan import Route

if TYPE_CHECKING:
    from continuum.connection.base import Connection
    from continuum.connection.deployment import Deployment

T = TypeVar("T")
Command = tuple[str, ...]

LEAST_QUEUE_PACKETS = 1000
"""netem's own default; fewer would drop bursts on slow links."""

UNLIMITED_MBIT = 10_000.0
"""Rate that the queue of an unlimited link is sized for."""

_UNLIMITED_RATE = "100gbit"
_CLASS_BURST = "10mb"
_ETHERNET_BYTES = 14
_TIMEOUT_S = 120.0


def root_command(interface: str) -> Command:
    """The root of all classes. HTB cannot be changed in place, so nothing may be there yet."""
    return ("tc", "qdisc", "replace", "dev", interface, "root", "handle", "1:", "htb")


def route_commands(interface: str, number: int, route: Route) -> tuple[Command, ...]:
    """What one destination needs; the same commands again change it in place.

    Args:
        interface: the sender's interface.
        number: of the destination, from 1 to 4095, the same whenever it is shaped.
        route: destination and link.
    """
    minor, rate = f"{number:x}", _UNLIMITED_RATE
    return (
        (
            *("tc", "class", "replace", "dev", interface, "parent", "1:", "classid", f"1:{minor}"),
            *("htb", "rate", rate, "ceil", rate, "burst", _CLASS_BURST, "cburst", _CLASS_BURST),
            *("quantum", str(MTU_BYTES + _ETHERNET_BYTES)),
        ),
        (
            *("tc", "qdisc", "replace", "dev", interface, "parent", f"1:{minor}"),
            *("handle", f"{number + 1:x}:"),
            *netem_options(route.link),
        ),
        (
            *("tc", "filter", "replace", "dev", interface, "parent", "1:", "protocol", "ip", "prio", "1"),
            *("handle", f"800::{minor}", "u32", "match", "ip", "dst", f"{route.address}/32"),
            *("flowid", f"1:{minor}"),
        ),
    )


def netem_options(link: Link) -> Command:
    """The netem queue of a link with its parameters.

    With a ``rate`` netem keeps packets in order under jitter, because it counts from the last packet's
    time to send; one far above any link's costs nothing. tc refuses a distribution without a delay, so
    jitter alone is given the smallest one.
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


def queue_packets(link: Link) -> int:
    """Packets netem must hold: those in flight (bandwidth x delay and jitter) and those in the queue.

    A limit below that caps the throughput silently: the default of 1,000 packets at 100 ms is 120 Mbit/s.
    """
    bytes_per_second = (link.bandwidth_mbit or UNLIMITED_MBIT) * 1e6 / 8
    in_flight = bytes_per_second * (link.latency_ms + 3 * link.jitter_ms) / 1e3
    waiting = queue_bytes(bytes_per_second, link.latency_ms / 1e3) if link.bandwidth_mbit else 0.0
    return max(LEAST_QUEUE_PACKETS, ceil((in_flight + waiting) / MTU_BYTES))


def removal_command(interface: str) -> Command:
    """What takes all of it away."""
    return ("tc", "qdisc", "del", "dev", interface, "root")


def _rate(link: Link) -> str:
    """The rate for netem, which counts Ethernet headers too, while bandwidth is meant at the IP layer."""
    if link.bandwidth_mbit is None:
        return _UNLIMITED_RATE
    return f"{round(link.bandwidth_mbit * 1e6 * (MTU_BYTES + _ETHERNET_BYTES) / MTU_BYTES)}bit"


def _microseconds(milliseconds: float) -> str:
    return f"{max(1, round(milliseconds * 1000))}us"


def class_numbers(topology: Topology) -> dict[str, int]:
    """A number for every node as a destination, the same in every call."""
    return {node.name: number for number, node in enumerate(topology.nodes, start=1)}


def by_node(
    deployment: Deployment, routes: Iterable[Route], numbers: Mapping[str, int], *, fresh: bool
) -> dict[str, tuple[Command, ...]]:
    """Every node's commands, in order; with the root class when ``fresh``."""
    commands: dict[str, list[Command]] = {}
    for route in routes:
        interface = _interface(deployment, route.src)
        mine = commands.setdefault(route.src, [root_command(interface)] if fresh else [])
        mine += route_commands(interface, numbers[route.dst], route)
    return {name: tuple(mine) for name, mine in commands.items()}


def _interface(deployment: Deployment, node: str) -> str:
    return deployment.node(node).interface


def execute(deployment: Deployment, commands: Mapping[str, Sequence[Command]], *, fresh: bool) -> None:
    """Run every node's commands, on all nodes at once; CommandFailed names the node that refused.

    ``fresh`` takes away first what is there.
    """

    def on_node(name: str, connection: Connection) -> None:
        if fresh:
            interface = _interface(deployment, name)
            connection.run(removal_command(interface), timeout=_TIMEOUT_S, check=False)
        batch = "".join(" ".join(command[1:]) + "\n" for command in commands[name])
        connection.run(("tc", "-batch", "-"), timeout=_TIMEOUT_S, stdin=batch.encode("ascii"))

    _everywhere({name: deployment.connections[name] for name in commands}, on_node)


def remove(deployment: Deployment) -> None:
    """Take every node's queues away; harmless when there are none."""

    def on_node(name: str, connection: Connection) -> None:
        connection.run(removal_command(_interface(deployment, name)), timeout=_TIMEOUT_S, check=False)

    _everywhere(deployment.connections, on_node)


def statistics(deployment: Deployment) -> dict[str, Any]:
    """The queues of every node as ``tc -s -j`` shows them, by the node's name."""
    import json

    def on_node(name: str, connection: Connection) -> Any:
        argv = ("tc", "-s", "-j", "qdisc", "show", "dev", _interface(deployment, name))
        return json.loads(connection.run(argv, timeout=_TIMEOUT_S).stdout or "[]")

    return _everywhere(deployment.connections, on_node)


def _everywhere(connections: Mapping[str, Connection], act: Callable[[str, Connection], T]) -> dict[str, T]:
    """The same on many nodes at once; raises what any of them raised."""
    if not connections:
        return {}
    with ThreadPoolExecutor(max_workers=min(32, len(connections))) as pool:
        results = {name: pool.submit(act, name, one) for name, one in connections.items()}
    return {name: result.result() for name, result in results.items()}
