"""A libvirt daemon, with its errors in words, deadlines, and no library loaded before it is needed."""

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
"""From here on a user wants to know what is waited for."""

FIRST_TIMEOUT_S = 180.0
"""A daemon's first look at QEMU takes a minute where KVM hangs its guests; it is remembered from then on."""

HIDE_KVM = (
    "where KVM does not work though there is a /dev/kvm, it takes a minute or fails;"
    " to keep libvirt from asking it: sudo chmod 600 /dev/kvm && sudo systemctl restart libvirtd"
)


def library() -> Any:
    """The module ``libvirt``; HostError names the remedy when it is missing."""
    try:
        import libvirt
    except ImportError as error:
        raise HostError(
            "provider qemu needs libvirt-python; run: sudo apt-get install libvirt-dev pkg-config gcc"
            " && pip install 'continuum-bench[qemu]'"
        ) from error
    libvirt.registerErrorHandler(lambda _context, _error: None, None)  # it prints by itself otherwise
    return libvirt


class Hypervisor:
    """An open connection to one libvirt daemon; may be used by many threads at once.

    Attributes:
        uri: its address.
        api: libvirt's own connection.
    """

    def __init__(self, uri: str) -> None:
        self.uri = uri
        self._library = library()
        try:
            self.api = within(OPEN_TIMEOUT_S, lambda: self._library.open(uri), f"{uri}: does not answer")
        except self._library.libvirtError as error:
            raise HostError(f"{uri}: {error}; {_remedy(uri, str(error))}") from error

    def __enter__(self) -> Hypervisor:  # noqa: PYI034 (Self is newer than Python 3.10)
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Give the connection up."""
        with contextlib.suppress(self._library.libvirtError):
            self.api.close()

    @contextlib.contextmanager
    def doing(self, what: str) -> Iterator[None]:
        """Turn what libvirt refuses into a ProvisionError that says what was wanted."""
        try:
            yield
        except self._library.libvirtError as error:
            raise ProvisionError(f"{what}: {error}") from error

    @contextlib.contextmanager
    def if_there(self) -> Iterator[None]:
        """Overlook that something is not there, or not any more."""
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
        """Whether an exception is libvirt's."""
        return isinstance(error, self._library.libvirtError)

    def machine(self) -> str:
        """Hardware architecture of the machine, as in ``x86_64``."""
        with self.doing(f"{self.uri}: what machine it is"):
            return str(self.api.getInfo()[0])

    def prepare(self, *, kvm: bool, tell: Callable[[str], None] = lambda _line: None) -> None:
        """Let the daemon look at QEMU; HostError when it can run no guests of that kind.

        Args:
            kvm: whether guests shall be run with KVM.
            tell: takes a line for the user when it takes long.
        """
        machine, kind = self.machine(), "kvm" if kvm else "qemu"
        try:
            within(
                FIRST_TIMEOUT_S,
                lambda: self.api.getDomainCapabilities(None, machine, None, kind),
                f"{self.uri}: libvirt is still looking at QEMU; {HIDE_KVM}",
                lambda: tell(f"{self.uri}: libvirt looks at QEMU and takes long over it; {HIDE_KVM}"),
            )
        except self._library.libvirtError as error:
            raise HostError(f"{self.uri}: cannot run guests ({kind}): {error}; {HIDE_KVM}") from error

    def cpus(self) -> tuple[int, ...]:
        """Numbers of the machine's processors that are switched on."""
        with self.doing(f"{self.uri}: which processors it has"):
            return tuple(number for number, on in enumerate(self.api.getCPUMap()[1]) if on)

    def capacity(self, name: str) -> Capacity:
        """The machine's size, what its guests have been promised, and what is gone otherwise.

        Args:
            name: what to call the machine.
        """
        with self.doing(f"{self.uri}: how busy it is"):
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
        with self.doing(f"{self.uri}: which guests there are"):
            return [one for one in self.api.listAllDomains() if names.run_of(one.name()) == run_id]

    def runs(self) -> dict[str, str]:
        """Every run of this user that has something here, and its folder where that is noted."""
        from infrastructure.qemu import libvirt_xml

        found: dict[str, str] = {}
        with self.doing(f"{self.uri}: what there is"):
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
    """What ``act`` returns or raises; HostError when it takes too long, and it is left to itself.

    libvirt's calls cannot be interrupted, so they wait in a thread that does not hold up the end.

    Args:
        seconds: how long it may take.
        act: what is done.
        otherwise: the error's text.
        when_slow: called once when it takes longer than ``SLOW_S``.
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
        return "is libvirtd running there, and may you use it?"
    if any(word in said.lower() for word in ("permission denied", "authentication", "access denied")):
        return (
            "to mend it: sudo usermod -aG libvirt $USER, and log in anew;"
            " or, without root: qemu_uri = qemu:///session"
        )
    if machine.is_session:
        return "to mend it: sudo apt-get install libvirt-daemon qemu-system-x86"
    return "to mend it: sudo apt-get install libvirt-daemon-system && sudo systemctl start libvirtd"
