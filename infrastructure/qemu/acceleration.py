"""Whether KVM can be trusted: ``/dev/kvm`` may exist and still hang or crash its guests.

Under some nested hypervisors a guest hangs, crawls, or QEMU ends with an assertion as soon as it sets up the
processor that guests would be given. So a guest that ends itself is really run, just as nodes would be.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from continuum.host.facts import Host

DEVICE = Path("/dev/kvm")
PROOF_TIMEOUT_S = 2.0
"""A working KVM needs a tenth of it."""

DONE = 33
"""Status with which the tiny guest ends."""

# mov al, 16; out 0xf4, al; hlt - QEMU's debug device ends the machine with status 2 * 16 + 1.
BOOT_SECTOR = bytes([0xB0, 0x10, 0xE6, 0xF4, 0xF4]).ljust(510, b"\0") + b"\x55\xaa"


@dataclass(frozen=True)
class Acceleration:
    """How guests are to be run.

    Attributes:
        kvm: whether the processor runs them; otherwise it is interpreted (TCG).
        why: what speaks against KVM; empty when nothing does.
    """

    kvm: bool
    why: str = ""


def choose(requested: str, host: Host) -> Acceleration:
    """How guests of this machine are to be run; ``auto`` proves it, the others are believed."""
    if requested != "auto":
        return Acceleration(requested == "kvm")
    why = lack(host)
    return Acceleration(not why, why)


@cache
def lack(host: Host) -> str:
    """What speaks against KVM on this machine; empty when a guest ran to its end."""
    if not DEVICE.exists():
        return f"there is no {DEVICE}"
    if not os.access(DEVICE, os.R_OK | os.W_OK):
        return f"{DEVICE} may not be used (to mend it: sudo usermod -aG kvm $USER)"
    emulator = host.find_command(f"qemu-system-{host.machine}")
    if host.machine != "x86_64" or emulator is None:
        return ""  # no guest at hand to prove it with
    return _prove(emulator)


def _prove(emulator: Path) -> str:
    with tempfile.NamedTemporaryFile(prefix="continuum-kvm-") as file:
        file.write(BOOT_SECTOR)
        file.flush()
        popen = subprocess.Popen(
            proof_command(emulator, file.name),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            _, said = popen.communicate(timeout=PROOF_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            popen.kill()
            popen.communicate()
            return f"a tiny guest did not come to its end within {PROOF_TIMEOUT_S:g} s under KVM"
    if popen.returncode == DONE:
        return ""
    words = said.strip().splitlines()
    return f"a tiny guest fails under KVM: {words[0] if words else f'status {popen.returncode}'}"


def proof_command(emulator: Path | str, disk: str) -> list[str]:
    """A machine that ends itself with a status of its own as soon as its processor works; pure."""
    return [
        str(emulator),
        *("-nodefaults", "-no-user-config", "-display", "none", "-m", "16"),
        *("-machine", "pc,accel=kvm", "-cpu", "host"),
        *("-device", "isa-debug-exit,iobase=0xf4,iosize=0x01"),
        *("-drive", f"file={disk},format=raw,if=ide,snapshot=on"),
    ]
