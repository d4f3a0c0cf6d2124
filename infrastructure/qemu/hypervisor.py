"""Connection to a libvirt daemon: converts its errors and adds time limits; loads the library lazily."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from continuum.errors import HostError, ProvisionError
from infrastructure.qemu import names
from infrastructure.qemu.machines import Machine
from infrastructure.qemu.placement import Capacity

T = TypeVar("T")

OPEN_TIMEOUT_S = 20.0
SLOW_S = 5.0
"""After this time, the user is told what is being waited for."""

FIRST_TIMEOUT_S = 180.0
"""A daemon probes QEMU once; that takes a minute if KVM hangs its guests."""

HIDE_KVM = (
    "if /dev/kvm exists but does not work, that takes a minute or fails;"
    " to hide it from libvirt: sudo chmod 600 /dev/kvm && sudo systemctl restart libvirtd"
)


def library() -> Any:
    """The module ``libvirt``; HostError with the remedy if it is not installed."""
    try:
        import libvirt
    except ImportError as error:
        raise HostError(
            "provider qemu needs libvirt-python; run: sudo apt-get install libvirt-dev pkg-config gcc"
            " && pip install 'continuum-bench[qemu]'"
        ) from error
    libvirt.registerErrorHandler(lambda _context, _error: None, None)  # otherwise it prints errors to stderr
    return libvirt


class Hypervisor:
    """An open connection to a libvirt daemon; thread-safe.

    Attributes:
        uri: URI of the daemon.
        api: the connection object of libvirt.
    """

    def __init__(self, uri: str) -> None:
        self.uri = uri
        self._library = library()
        try:
            self.api = within(OPEN_TIMEOUT_S, lambda: self._library.open(uri), f"{uri}: no answer")
        except self._library.libvirtError as error:
            raise HostError(f"{uri}: {error}; {_remedy(uri, str(error))}") from error

    def __enter__(self) -> Hypervisor:  # noqa: PYI034 (Self is newer than Python 3.10)
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection."""
        with contextlib.suppress(self._library.libvirtError):
            self.api.close()

    @contextlib.contextmanager
    def doing(self, what: str) -> Iterator[None]:
        """Convert libvirt's errors to ProvisionError; its message begins with ``what``."""
        try:
            yield
        except self._library.libvirtError as error:
            raise ProvisionError(f"{what}: {error}") from error

    @contextlib.contextmanager
    def if_there(self) -> Iterator[None]:
        """Ignore the error that a resource does not exist."""
        library = self._library
        gone = {
            library.VIR_ERR_NO_DOMAIN,
            library.VIR_ERR_NO_NETWORK,
            library.VIR_ERR_NO_STORAGE_POOL,
            library.VIR_ERR_NO_STORAGE_VOL,
        }
        try:
            yield
        except library.libvirtError as error:
            if error.get_error_code() not in gone:
                raise

    def is_refusal(self, error: Exception) -> bool:
        """Whether an exception is an error of libvirt."""
        return isinstance(error, self._library.libvirtError)

    def machine(self) -> str:
        """Hardware architecture of the machine, as in ``x86_64``."""
        with self.doing(f"{self.uri}: reading its architecture"):
            return str(self.api.getInfo()[0])

    def prepare(self, *, kvm: bool, tell: Callable[[str], None] = lambda _line: None) -> None:
        """Let the daemon probe QEMU; HostError if it cannot run such guests.

        Args:
            kvm: whether guests run with KVM.
            tell: receives a message for the user if it takes long.
        """
        machine, kind = self.machine(), "kvm" if kvm else "qemu"
        try:
            within(
                FIRST_TIMEOUT_S,
                lambda: self.api.getDomainCapabilities(None, machine, None, kind),
                f"{self.uri}: libvirt is still probing QEMU; {HIDE_KVM}",
                lambda: tell(f"{self.uri}: libvirt is probing QEMU, which takes long; {HIDE_KVM}"),
            )
        except self._library.libvirtError as error:
            raise HostError(f"{self.uri}: cannot run guests ({kind}): {error}; {HIDE_KVM}") from error

    def cpus(self) -> tuple[int, ...]:
        """The machine's processors that are online."""
        with self.doing(f"{self.uri}: listing its processors"):
            return tuple(number for number, on in enumerate(self.api.getCPUMap()[1]) if on)

    def capacity(self, name: str) -> Capacity:
        """The machine's size, and how much of it is in use by guests and otherwise.

        Args:
            name: the machine's name.
        """
        with self.doing(f"{self.uri}: reading its load"):
            info = self.api.getInfo()
            memory_mb, processors = int(info[1]), int(info[2])
            guests = [(one.isActive(), one) for one in self.api.listAllDomains()]
            running = []
            for is_active, one in guests:
                with self.if_there():
                    running += [one.info()] if is_active else []
            stats = self.api.getMemoryStats(-1)
        free_kb = sum(stats.get(kind, 0) for kind in ("free", "buffers", "cached"))
        return Capacity(
            machine=name,
            cores=processors,
            memory_mb=memory_mb,
            busy_cores=sum(one[3] for one in running),
            busy_memory_mb=max(sum(one[1] for one in running) // 1024, memory_mb - free_kb // 1024),
            idle_guests=sum(not is_active for is_active, _ in guests),
        )

    def domains(self, run_id: str) -> list[Any]:
        """The guests of a run."""
        with self.doing(f"{self.uri}: listing its guests"):
            return [one for one in self.api.listAllDomains() if names.run_of(one.name()) == run_id]

    def runs(self) -> dict[str, str]:
        """Runs of this user with resources at the daemon, and their folders if known."""
        from infrastructure.qemu import libvirt_xml

        found: dict[str, str] = {}
        with self.doing(f"{self.uri}: listing its resources"):
            things = [
                *((one.name(), one.XMLDesc()) for one in self.api.listAllStoragePools()),
                *((one.name(), one.XMLDesc()) for one in self.api.listAllNetworks()),
                *((one.name(), one.XMLDesc()) for one in self.api.listAllDomains()),
            ]
        for name, description in things:
            run_id = names.run_of(name)
            if run_id is not None:
                found[run_id] = libvirt_xml.directory_of(description) or found.get(run_id, "")
        return found


def within(
    seconds: float, act: Callable[[], T], otherwise: str, when_slow: Callable[[], None] = lambda: None
) -> T:
    """Call ``act`` with a time limit; returns what it returns, raises what it raises.

    libvirt's calls cannot be interrupted, so ``act`` runs in a daemon thread, which may outlive the call.

    Args:
        seconds: the time limit.
        act: the call.
        otherwise: message of the HostError that is raised at the time limit.
        when_slow: called once if it takes longer than ``SLOW_S``.
    """
    results: list[T] = []
    errors: list[BaseException] = []

    def work() -> None:
        try:
            results.append(act())
        except BaseException as error:  # raised below, in the thread that waits
            errors.append(error)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join(min(SLOW_S, seconds))
    if thread.is_alive() and seconds > SLOW_S:
        when_slow()
        thread.join(seconds - SLOW_S)
    if thread.is_alive():
        raise HostError(f"{otherwise} (waited {seconds:g} s)")
    if errors:
        raise errors[0]
    return results[0]


def _remedy(uri: str, said: str) -> str:
    machine = Machine(uri)
    if not machine.is_local:
        return "libvirtd must run there, and your account must have access to it"
    if any(word in said.lower() for word in ("permission denied", "authentication", "access denied")):
        return (
            "to fix it: sudo usermod -aG libvirt $USER, and log in again;"
            " or, without root: qemu_uri = qemu:///session"
        )
    if machine.is_session:
        return "to fix it: sudo apt-get install libvirt-daemon qemu-system-x86"
    return "to fix it: sudo apt-get install libvirt-daemon-system && sudo systemctl start libvirtd"
