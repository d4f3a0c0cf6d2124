"""Guests of a run: described, started all at once, and waited for with one deadline."""

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
from infrastructure.qemu import describe, names, seed, storage
from infrastructure.qemu.describe import Boot, Wire
from infrastructure.qemu.hypervisor import Hypervisor
from infrastructure.qemu.seed import Identity
from infrastructure.qemu.storage import Base

CONSOLE_LINES = 12
LOGIN_TIMEOUT_S = 30.0
_POLL_S = 0.25
_LATE = "could not be logged in to in time"
_RUNNING = 1  # VIR_DOMAIN_RUNNING


@dataclass(frozen=True)
class Guest:
    """What one guest shall be.

    Attributes:
        spec: the node.
        identity: what its seed says.
        wire: its interfaces.
        host: where its ssh daemon answers, seen from its machine.
        port: the port there.
        is_here: whether that is this machine.
    """

    spec: NodeSpec
    identity: Identity
    wire: Wire
    host: str
    port: int
    is_here: bool = True


@dataclass(frozen=True)
class Timing:
    """When a guest booted, in seconds since the first was begun with.

    Attributes:
        started_s: when its machine was started.
        up_s: when it had booted.
    """

    started_s: float
    up_s: float


@dataclass(frozen=True)
class Place:
    """Where guests of a run are made: one machine.

    Attributes:
        hypervisor: the daemon.
        pool: the run's own storage there.
        base: what their disks lie over.
        run_id: the run.
        directory: the run's folder.
        kvm: whether the processor runs them.
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
        """Make a guest's disks and start it."""
        name, to = guest.spec.name, (self.hypervisor, self.pool)
        disk = storage.overlay(*to, f"{name}.qcow2", self.base)
        data = seed.disk(seed.files(guest.identity, is_interpreted=not self.kvm))
        seed_disk = storage.upload(*to, f"{name}-seed.iso", data)
        console = f"{Path(disk).parent}/{console_file(name)}"
        boot = Boot(disk, seed_disk, console, self.base.kernel, self.base.initrd)
        text = describe.domain(
            self.run_id, self.directory, guest.spec, boot, guest.wire, kvm=self.kvm, machine=self.machine
        )
        with self.hypervisor.doing(f"{name}: starting the guest"):
            self.hypervisor.api.createXML(text)

    def console(self, name: str) -> str:
        """What a guest has written to its console so far."""
        return storage.read_file(self.hypervisor, self.pool, console_file(name)).decode("utf-8", "replace")

    def is_running(self, name: str) -> bool:
        """Whether a guest's machine still runs."""
        state = None
        with self.hypervisor.doing(f"{name}: its state"), self.hypervisor.if_there():
            state = self.hypervisor.api.lookupByName(names.domain(self.run_id, name)).state()[0]
        return bool(state == _RUNNING)


def console_file(name: str) -> str:
    """File of a guest's console in the run's pool."""
    return f"{name}-console.log"


def bring_up(
    guests: Sequence[Guest],
    places: Mapping[str, Place],
    connections: Mapping[str, SshConnection],
    timeout_s: float,
) -> dict[str, Timing]:
    """Start all guests at once and wait until each has booted; returns when each did.

    The deadline of each counts from its start, which libvirt may put off while it looks at QEMU.

    Args:
        guests: what they shall be.
        places: where each is made, by its name.
        connections: the way to each, by its name.
        timeout_s: how long each may take.

    Raises:
        ProvisionError: names the first guest that does not come up, with the end of its console.
    """
    given_up, begin = threading.Event(), time.monotonic()
    with ThreadPoolExecutor(len(guests)) as pool:
        ups = {
            pool.submit(
                _up, places[guest.spec.name], guest, connections[guest.spec.name], timeout_s, given_up, begin
            ): guest
            for guest in guests
        }
        try:
            return {ups[done].spec.name: done.result() for done in as_completed(ups)}
        except BaseException:
            given_up.set()
            raise


def _up(
    place: Place,
    guest: Guest,
    connection: SshConnection,
    timeout_s: float,
    given_up: threading.Event,
    begin: float,
) -> Timing:
    place.start(guest)
    started = time.monotonic()
    deadline = started + timeout_s
    reason = _LATE
    for _ in _waits(deadline, given_up):
        if not guest.is_here or _answers(guest.host, guest.port):
            try:
                # Until then the boot's own work would be in the way of whatever is measured.
                wait = ["sh", "-c", "systemctl is-system-running --wait || true"]
                connection.run(wait, timeout=max(LOGIN_TIMEOUT_S, deadline - time.monotonic()))
                return Timing(started - begin, time.monotonic() - begin)
            except ConnectionFailure as error:
                reason = f"{_LATE} ({error})"
        if not place.is_running(guest.spec.name):
            reason = "its machine has stopped"
            break
    if given_up.is_set():
        raise ProvisionError(f"{guest.spec.name}: was not waited for")
    raise ProvisionError(f"{guest.spec.name}: {reason}; {_tail(place, guest.spec.name)}")


def _waits(deadline: float, given_up: threading.Event) -> Iterator[None]:
    """One step at a time until the deadline, or until nobody wants to know any more."""
    while time.monotonic() < deadline and not given_up.is_set():
        yield
        given_up.wait(_POLL_S)


def _answers(host: str, port: int) -> bool:
    """Whether an ssh daemon greets there."""
    try:
        with socket.create_connection((host, port), timeout=1.0) as link:
            link.settimeout(5.0)
            return link.recv(4).startswith(b"SSH-")
    except OSError:
        return False


def _tail(place: Place, name: str) -> str:
    lines = [line.rstrip() for line in place.console(name).splitlines() if line.strip()]
    if not lines:
        return "its console is empty"
    return "the end of its console:\n" + "\n".join(f"  {line}" for line in lines[-CONSOLE_LINES:])
