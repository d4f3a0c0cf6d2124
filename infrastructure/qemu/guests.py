"""Guests of a run: starts all of them in parallel and waits until they have booted."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from continuum.connection.ssh.connection import SshConnection
from continuum.errors import ConnectionFailure, ProvisionError
from continuum.model.topology import NodeSpec
from infrastructure.qemu import libvirt_xml, names, seed, storage
from infrastructure.qemu.hypervisor import Hypervisor
from infrastructure.qemu.libvirt_xml import Boot, GuestInterfaces
from infrastructure.qemu.seed import Identity
from infrastructure.qemu.storage import Base

CONSOLE_LINES = 12
LOGIN_TIMEOUT_S = 30.0
_POLL_S = 0.25
_LATE = "login failed until the time limit (qemu_boot_timeout)"
_RUNNING = 1  # VIR_DOMAIN_RUNNING


@dataclass(frozen=True)
class Guest:
    """The configuration of one guest.

    Attributes:
        spec: the node.
        identity: its identity, for its seed disk.
        interfaces: its network interfaces.
        host: address of its ssh daemon, as seen from its machine.
        port: port of its ssh daemon.
        is_here: whether it runs on this machine.
    """

    spec: NodeSpec
    identity: Identity
    interfaces: GuestInterfaces
    host: str
    port: int
    is_here: bool = True


@dataclass(frozen=True)
class Timing:
    """When a guest booted, in seconds since the start of ``bring_up``.

    Attributes:
        started_s: when libvirt had started it.
        up_s: when it had booted.
    """

    started_s: float
    up_s: float


@dataclass(frozen=True)
class GuestHost:
    """One machine with guests of a run.

    Attributes:
        hypervisor: its libvirt daemon.
        pool: the run's storage pool on it.
        base: base image on it.
        run_id: the run.
        directory: the run's folder.
        kvm: whether guests run with KVM.
        machine: hardware architecture.
    """

    hypervisor: Hypervisor
    pool: Any
    base: Base
    run_id: str
    directory: Path
    kvm: bool
    machine: str

    def start(self, guest: Guest) -> None:
        """Create a guest's disks and start it."""
        name, to = guest.spec.name, (self.hypervisor, self.pool)
        disk = storage.overlay(*to, f"{name}.qcow2", self.base)
        data = seed.disk(seed.files(guest.identity, is_emulated=not self.kvm))
        seed_disk = storage.upload(*to, f"{name}-seed.iso", data)
        console = f"{Path(disk).parent}/{console_file(name)}"
        boot = Boot(disk, seed_disk, console, self.base.kernel, self.base.initrd)
        text = libvirt_xml.domain(
            self.run_id,
            self.directory,
            guest.spec,
            boot,
            guest.interfaces,
            kvm=self.kvm,
            machine=self.machine,
        )
        with self.hypervisor.doing(f"{name}: starting the guest"):
            self.hypervisor.api.createXML(text)

    def console(self, name: str) -> str:
        """Console output of a guest so far."""
        return storage.read_file(self.hypervisor, self.pool, console_file(name)).decode("utf-8", "replace")

    def is_running(self, name: str) -> bool:
        """Whether a guest is running."""
        state = None
        with self.hypervisor.doing(f"{name}: its state"), self.hypervisor.if_there():
            state = self.hypervisor.api.lookupByName(names.domain(self.run_id, name)).state()[0]
        return bool(state == _RUNNING)


def console_file(name: str) -> str:
    """Name of a guest's console log in the run's pool."""
    return f"{name}-console.log"


def bring_up(
    guests: Sequence[Guest],
    hosts: Mapping[str, GuestHost],
    connections: Mapping[str, SshConnection],
    timeout_s: float,
) -> dict[str, Timing]:
    """Start all guests in parallel and wait until each has booted; returns their boot times by name.

    The time limit of each counts from its start, which libvirt may delay while it probes QEMU.

    Args:
        guests: the guests.
        hosts: the machine of each, by its name.
        connections: the connection to each, by its name.
        timeout_s: time limit of each.

    Raises:
        ProvisionError: names the first guest that does not boot, with the end of its console.
    """
    aborted, begin = threading.Event(), time.monotonic()
    with ThreadPoolExecutor(len(guests)) as pool:
        ups = {
            pool.submit(
                _up, hosts[guest.spec.name], guest, connections[guest.spec.name], timeout_s, aborted, begin
            ): guest
            for guest in guests
        }
        try:
            return {ups[done].spec.name: done.result() for done in as_completed(ups)}
        except BaseException:
            aborted.set()
            raise


def _up(
    host: GuestHost,
    guest: Guest,
    connection: SshConnection,
    timeout_s: float,
    aborted: threading.Event,
    begin: float,
) -> Timing:
    host.start(guest)
    started = time.monotonic()
    deadline = started + timeout_s
    reason = _LATE
    for _ in _waits(deadline, aborted):
        if not guest.is_here or _answers(guest.host, guest.port):
            try:
                # Services that still start would disturb measurements.
                wait = ["sh", "-c", "systemctl is-system-running --wait || true"]
                connection.run(wait, timeout=max(LOGIN_TIMEOUT_S, deadline - time.monotonic()))
                return Timing(started - begin, time.monotonic() - begin)
            except ConnectionFailure as error:
                reason = f"{_LATE} ({error})"
        if not host.is_running(guest.spec.name):
            reason = "it has stopped"
            break
    if aborted.is_set():
        raise ProvisionError(f"{guest.spec.name}: another guest failed before it had booted")
    raise ProvisionError(f"{guest.spec.name}: {reason}; {_tail(host, guest.spec.name)}")


def _waits(deadline: float, aborted: threading.Event) -> Iterator[None]:
    """Yield at intervals until the deadline, or until another guest has failed."""
    while time.monotonic() < deadline and not aborted.is_set():
        yield
        aborted.wait(_POLL_S)


def _answers(host: str, port: int) -> bool:
    """Whether an ssh daemon answers at an address."""
    try:
        with socket.create_connection((host, port), timeout=1.0) as link:
            link.settimeout(5.0)
            return link.recv(4).startswith(b"SSH-")
    except OSError:
        return False


def _tail(host: GuestHost, name: str) -> str:
    lines = [line.rstrip() for line in host.console(name).splitlines() if line.strip()]
    if not lines:
        return "its console is empty"
    return "the end of its console:\n" + "\n".join(f"  {line}" for line in lines[-CONSOLE_LINES:])
