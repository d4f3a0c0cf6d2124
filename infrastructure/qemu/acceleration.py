"""Whether KVM works: ``/dev/kvm`` may exist although its guests hang or crash.

Under some nested hypervisors, guests hang or are very slow, or QEMU fails when it sets up the processor. So a
small test guest that shuts itself down is run, with the same processor as nodes.
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
TEST_TIMEOUT_S = 2.0
"""With a working KVM, a tenth of it is enough."""

DONE = 33
"""Exit status of QEMU after the test guest."""

# mov al, 16; out 0xf4, al; hlt - QEMU's debug device ends the machine with status 2 * 16 + 1.
BOOT_SECTOR = bytes([0xB0, 0x10, 0xE6, 0xF4, 0xF4]).ljust(510, b"\0") + b"\x55\xaa"


@dataclass(frozen=True)
class Acceleration:
    """How guests are run.

    Attributes:
        kvm: whether with KVM; otherwise the processor is emulated (TCG).
        why: why KVM cannot be used; empty if it can, or if the config decides.
    """

    kvm: bool
    why: str = ""


def choose(requested: str, host: Host) -> Acceleration:
    """How guests of this machine are run; with ``auto``, a test guest decides."""
    if requested != "auto":
        return Acceleration(requested == "kvm")
    why = kvm_obstacle(host)
    return Acceleration(not why, why)


def no_nesting(chosen: Acceleration, modules: Path = Path("/sys/module")) -> str:
    """Why guests cannot run virtual machines themselves; empty when they can.

    Args:
        chosen: how the guests are run.
        modules: folder of the kernel's modules and their parameters.
    """
    if not chosen.kvm:
        return f"they are TCG-emulated guests{f' ({chosen.why})' if chosen.why else ''}"
    for name in ("kvm_intel", "kvm_amd"):
        parameter = modules / name / "parameters" / "nested"
        if parameter.exists():
            is_on = parameter.read_text(encoding="ascii").strip() in ("1", "Y", "y")
            return "" if is_on else f"nested virtualisation is off; load {name} with nested=1"
    return ""


@cache
def kvm_obstacle(host: Host) -> str:
    """Why KVM cannot be used on this machine; empty if a test guest ran."""
    if not DEVICE.exists():
        return f"{DEVICE} does not exist"
    if not os.access(DEVICE, os.R_OK | os.W_OK):
        return f"no access to {DEVICE} (to fix it: sudo usermod -aG kvm $USER)"
    emulator = host.find_command(f"qemu-system-{host.machine}")
    if host.machine != "x86_64" or emulator is None:
        return ""  # without a test guest, KVM is assumed to work
    return _run_test_guest(emulator)


def _run_test_guest(emulator: Path) -> str:
    with tempfile.NamedTemporaryFile(prefix="continuum-kvm-") as file:
        file.write(BOOT_SECTOR)
        file.flush()
        popen = subprocess.Popen(
            test_command(emulator, file.name),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            _, said = popen.communicate(timeout=TEST_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            popen.kill()
            popen.communicate()
            return f"a test guest did not finish within {TEST_TIMEOUT_S:g} s under KVM"
    if popen.returncode == DONE:
        return ""
    words = said.strip().splitlines()
    return f"a test guest fails under KVM: {words[0] if words else f'status {popen.returncode}'}"


def test_command(emulator: Path | str, disk: str) -> list[str]:
    """The command of the test guest, which ends with the status ``DONE`` if its processor works; pure."""
    return [
        str(emulator),
        *("-nodefaults", "-no-user-config", "-display", "none", "-m", "16"),
        *("-machine", "pc,accel=kvm", "-cpu", "host"),
        *("-device", "isa-debug-exit,iobase=0xf4,iosize=0x01"),
        *("-drive", f"file={disk},format=raw,if=ide,snapshot=on"),
    ]
