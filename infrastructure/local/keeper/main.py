"""Makes the nodes of one run and waits; killing it ends them all.

Talks over the Unix socket it was given (SOCK_SEQPACKET, messages of JSON): for each node one message
``{"name", "pid", "start"}`` that carries the descriptor of the node's TUN device, or ``{"name",
"error"}``. Once the orchestrator sends ``done`` the nodes outlive it; if it ends before, so do they.
"""

# Importing pathlib would take a third of the keeper's start.
# ruff: noqa: PTH115, PTH123

from __future__ import annotations

import gc
import json
import os
import signal
import socket
import sys
from typing import NoReturn

from continuum.network.fabric import tun

from . import filesystem, syscalls
from .plan import PREFIX_BITS, NodePlan, Plan

INTERFACE = "eth0"
_IN_MEMORY = "what nodes write is kept in memory: the file system of the run's folder holds no private layers"


def main(arguments: list[str]) -> None:
    """Read the plan (second argument) and serve the socket whose descriptor is the first."""
    channel = socket.socket(fileno=int(arguments[0]))
    with open(arguments[1], encoding="utf-8") as file:
        plan = Plan.from_json(file.read())
    if os.fork():
        os._exit(0)  # init adopts the keeper, so that its end leaves no zombie with the orchestrator
    os.setsid()
    syscalls.set_name("continuum-keep")
    syscalls.adopt_orphans()
    gc.disable()  # it would touch, and so copy, all of the keeper's memory in every node
    try:
        _make_all(plan, channel)
    except OSError as error:
        channel.send(json.dumps({"name": "", "error": str(error)}).encode())
        sys.exit(1)
    if not _is_accepted(channel):
        sys.exit(1)
    channel.close()
    _wait_forever()


def _make_all(plan: Plan, channel: socket.socket) -> None:
    if plan.as_user:
        syscalls.become_root_of_user_namespace()
    else:
        syscalls.unshare(syscalls.CLONE_NEWNS)
    on_disk = filesystem.prepare(plan)
    if not on_disk:
        channel.send(json.dumps({"name": "", "note": _IN_MEMORY}).encode())
    # Children that end are reaped by the kernel, here and in the nodes.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    for index in range(plan.workers):
        if os.fork() == 0:
            _work(plan, plan.nodes[index :: plan.workers], channel, on_disk)


def _work(plan: Plan, nodes: tuple[NodePlan, ...], channel: socket.socket, on_disk: bool) -> NoReturn:
    """Make some of the nodes and stay their parent."""
    syscalls.set_name("continuum-work")
    syscalls.die_with_parent()
    for node in nodes:
        if syscalls.clone(syscalls.NODE_NAMESPACES) == 0:
            try:
                _be_node(plan, node, channel, on_disk)
            except BaseException:
                sys.excepthook(*sys.exc_info())
            finally:
                os._exit(1)  # whatever went wrong: a node never goes on as a worker
    channel.close()
    _wait_forever()


def _be_node(plan: Plan, node: NodePlan, channel: socket.socket, on_disk: bool) -> NoReturn:
    """Become process 1 of a node."""
    try:
        syscalls.die_with_parent()
        pid = int(os.readlink("/proc/self"))  # in the host's numbers, as /proc is still the host's
        syscalls.set_name(node.name)
        syscalls.set_hostname(node.name)
        tun.bring_loopback_up()
        _switch_ipv6_off()
        device = tun.open_tun(INTERFACE)
        tun.configure(INTERFACE, node.address, PREFIX_BITS)
        tun.raise_tcp_buffers()
        start = _start_time()
        filesystem.enter(plan, node.name, on_disk=on_disk)
        message = json.dumps({"name": node.name, "pid": pid, "start": start})
        socket.send_fds(channel, [message.encode()], [device])
        os.close(device)
    except OSError as error:
        channel.send(json.dumps({"name": node.name, "error": str(error)}).encode())
        raise
    channel.close()
    _wait_forever()


def _switch_ipv6_off() -> None:
    """Keep the kernel from sending what nobody answers: links between nodes carry IPv4."""
    try:
        with open("/proc/sys/net/ipv6/conf/default/disable_ipv6", "wb", buffering=0) as file:
            file.write(b"1")
    except OSError:
        pass  # no IPv6 here at all, or a container that shows settings read-only


def _start_time() -> int:
    """When this process began, in clock ticks since boot: with its pid, its identity."""
    with open("/proc/self/stat", "rb") as file:
        return int(file.read().rpartition(b")")[2].split()[19])


def _is_accepted(channel: socket.socket) -> bool:
    """Wait for the orchestrator's word; False when it has ended without one."""
    try:
        return channel.recv(16) == b"done"
    except ConnectionResetError:
        return False


def _wait_forever() -> NoReturn:
    while True:
        signal.pause()
