"""Creates the nodes of a run and waits; when it is killed, all nodes end.

It sends JSON messages over its Unix socket (SOCK_SEQPACKET): for each node ``{"name", "pid", "start"}``, with
the descriptor of the node's TUN device, or ``{"name", "error"}``. If the orchestrator ends before it has sent
``done``, the nodes end, too.
"""

# Importing pathlib would take a third of the keeper's start.
# ruff: noqa: PTH123

from __future__ import annotations

import gc
import json
import os
import signal
import socket
import sys
from typing import NamedTuple, NoReturn

from continuum.host.clone import CLONE_NEWNS, NODE_NAMESPACES, clone
from continuum.network.fabric import tun

from . import filesystem, masks, syscalls
from .keeper_plan import PREFIX_BITS, KeeperPlan, NodePlan

INTERFACE = "eth0"
_IN_MEMORY = (
    "files that nodes write are kept in memory: the file system of the run's folder does not support overlays"
)


def main(arguments: list[str]) -> None:
    """Create the nodes.

    Args:
        arguments: descriptor of the socket, path of the plan, and the run's id (for process lists).
    """
    channel = socket.socket(fileno=int(arguments[0]))
    with open(arguments[1], encoding="utf-8") as file:
        plan = KeeperPlan.from_json(file.read())
    if os.fork():
        os._exit(0)  # init adopts the keeper, so that it never becomes a zombie of the orchestrator
    os.setsid()
    syscalls.set_name("continuum-keep")
    syscalls.adopt_orphans()
    gc.disable()  # a collection in a node would copy the memory that it shares with the keeper
    try:
        _create_all(plan, channel)
    except OSError as error:
        channel.send(json.dumps({"name": "", "error": str(error)}).encode())
        sys.exit(1)
    if not _is_accepted(channel):
        sys.exit(1)
    channel.close()
    _wait_forever()


def _create_all(plan: KeeperPlan, channel: socket.socket) -> None:
    if plan.as_user:
        syscalls.become_root_of_user_namespace()
    else:
        syscalls.unshare(CLONE_NEWNS)
    on_disk = filesystem.prepare(plan)
    if not on_disk:
        channel.send(json.dumps({"name": "", "note": _IN_MEMORY}).encode())
    # The kernel reaps children, here and in the nodes.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    keeper = syscalls.process_id()
    setting = _Setting(plan, channel, masks.of_this_kernel(), on_disk)
    for index in range(plan.workers):
        if os.fork() == 0:
            syscalls.die_with_parent(keeper)
            _work(setting, plan.nodes[index :: plan.workers])


class _Setting(NamedTuple):
    """What the creation of all nodes has in common."""

    plan: KeeperPlan
    channel: socket.socket
    hidden: masks.Masks
    on_disk: bool


def _work(setting: _Setting, nodes: tuple[NodePlan, ...]) -> NoReturn:
    """Create some of the nodes and remain their parent."""
    syscalls.set_name("continuum-work")
    worker = syscalls.process_id()
    for node in nodes:
        if clone(NODE_NAMESPACES) == 0:
            try:
                syscalls.die_with_parent(worker)
                _run_node(setting, node)
            except BaseException:
                sys.excepthook(*sys.exc_info())
            finally:
                os._exit(1)  # a failed node must not continue as a worker
    setting.channel.close()
    _wait_forever()


def _run_node(setting: _Setting, node: NodePlan) -> NoReturn:
    """Become process 1 of a node."""
    try:
        pid = syscalls.process_id()  # that of the host, since /proc is still the host's
        syscalls.set_name(node.name)
        syscalls.set_hostname(node.name)
        tun.bring_loopback_up()
        _disable_ipv6()
        device = tun.open_tun(INTERFACE)
        tun.configure(INTERFACE, node.address, PREFIX_BITS)
        tun.raise_tcp_buffers()
        start = _start_time()
        filesystem.enter(setting.plan, node.name, setting.hidden, on_disk=setting.on_disk)
        message = json.dumps({"name": node.name, "pid": pid, "start": start})
        socket.send_fds(setting.channel, [message.encode()], [device])
        os.close(device)
    except OSError as error:
        setting.channel.send(json.dumps({"name": node.name, "error": str(error)}).encode())
        raise
    setting.channel.close()
    _wait_forever()


def _disable_ipv6() -> None:
    """Disable IPv6, since links between nodes carry only IPv4."""
    try:
        with open("/proc/sys/net/ipv6/conf/default/disable_ipv6", "wb", buffering=0) as file:
            file.write(b"1")
    except OSError:
        pass  # no IPv6, or read-only settings in a container


def _start_time() -> int:
    """Start time of this process, in clock ticks since boot; identifies it together with its pid."""
    with open("/proc/self/stat", "rb") as file:
        return int(file.read().rpartition(b")")[2].split()[19])


def _is_accepted(channel: socket.socket) -> bool:
    """Wait for the orchestrator's ``done``; False if the orchestrator ends without it."""
    try:
        return channel.recv(16) == b"done"
    except ConnectionResetError:
        return False


def _wait_forever() -> NoReturn:
    while True:
        signal.pause()
