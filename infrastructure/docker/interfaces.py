"""The network interface of each container: a TUN device in its network namespace.

One thread of this process enters the namespace of each container in turn, creates the device there, and ends.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass

from continuum.errors import ProvisionError
from continuum.host import netns
from continuum.network.fabric import tun

INTERFACE = "eth0"
PREFIX_BITS = 16


@dataclass(frozen=True)
class Attachment:
    """A container and the address of its interface.

    Attributes:
        node: the node's name.
        pid: process id, on this host, of the container's process 1.
        address: IPv4 address of its interface.
    """

    node: str
    pid: int
    address: str


def create(attachments: Iterable[Attachment]) -> list[int]:
    """Create the interface of each container; returns the devices' descriptors, in the same order.

    Raises:
        ProvisionError: one cannot be created; none of them remains.
    """
    descriptors: list[int] = []

    def work() -> None:
        for attachment in attachments:
            descriptors.append(_create_one(attachment))  # noqa: PERF401 - closed below on an error

    try:
        netns.visit(work)
    except BaseException:
        for descriptor in descriptors:
            os.close(descriptor)
        raise
    return descriptors


def _create_one(attachment: Attachment) -> int:
    try:
        return _in_namespace(attachment)
    except FileNotFoundError as error:
        raise ProvisionError(
            f"{attachment.node}: its container has ended, or runs on another machine; see: docker ps -a,"
            " docker logs"
        ) from error
    except OSError as error:
        raise ProvisionError(f"{attachment.node}: cannot create its network interface: {error}") from error


def _in_namespace(attachment: Attachment) -> int:
    netns.enter(attachment.pid)
    tun.bring_loopback_up()
    descriptor = tun.open_tun(INTERFACE)
    try:
        tun.configure(INTERFACE, attachment.address, PREFIX_BITS)
    except BaseException:
        os.close(descriptor)
        raise
    tun.raise_tcp_buffers()
    return descriptor
