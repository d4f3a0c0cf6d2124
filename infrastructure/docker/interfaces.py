"""The one interface of each container: a TUN device made inside its network namespace.

A thread of this process goes from container to container, makes the device in each, and ends.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from continuum.errors import ProvisionError
from continuum.host import netns
from continuum.network.fabric import tun

INTERFACE = "eth0"
PREFIX_BITS = 16


@dataclass(frozen=True)
class Place:
    """A container that is to get its interface.

    Attributes:
        node: the node's name.
        pid: its process 1, in this host's numbers.
        address: IPv4 address of its interface.
    """

    node: str
    pid: int
    address: str


def make(places: Iterable[Place]) -> list[int]:
    """Make the interface of each container; returns the descriptors of the devices, in the same order.

    Raises:
        ProvisionError: one cannot be made; none of them is left then.
    """
    descriptors: list[int] = []

    def work() -> None:
        for place in places:
            descriptors.append(_make_one(place))  # noqa: PERF401 - those made must be known

    try:
        netns.visit(work)
    except BaseException:
        for descriptor in descriptors:
            os.close(descriptor)
        raise
    return descriptors


def _make_one(place: Place) -> int:
    return _in_words(place, lambda: _inside(place))


def _inside(place: Place) -> int:
    netns.enter(place.pid)
    tun.bring_loopback_up()
    descriptor = tun.open_tun(INTERFACE)
    try:
        tun.configure(INTERFACE, place.address, PREFIX_BITS)
    except BaseException:
        os.close(descriptor)
        raise
    tun.raise_tcp_buffers()
    return descriptor


def _in_words(place: Place, action: Callable[[], int]) -> int:
    try:
        return action()
    except FileNotFoundError as error:
        raise ProvisionError(
            f"{place.node}: its container ended at once, or runs on another machine than this one"
        ) from error
    except OSError as error:
        raise ProvisionError(f"{place.node}: its interface cannot be made: {error}") from error
