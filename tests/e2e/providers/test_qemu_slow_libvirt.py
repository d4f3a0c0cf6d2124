"""A libvirt daemon that takes long to find out what its QEMU can do, as where KVM hangs its guests."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks import libvirtd
from tests.e2e.providers import guests
from tests.e2e.providers.libvirtd import things

pytestmark = [pytest.mark.root, pytest.mark.providers, pytest.mark.timeout(300)]

PROBE_S = 7
"""How long QEMU takes to answer libvirt; more than a user wants to wait without a word."""

BESIDE = """\
qemu=$(command -v qemu-system-x86_64)
mount --bind "$qemu" "$(command -v qemu-system-i386)"  # QEMU finds its modules from where it lies
cat > /run/libvirt/slow <<'END'
#!/bin/sh
case " $* " in *" none,"*) sleep {seconds} ;; esac
exec qemu-system-i386 "$@"
END
chmod 755 /run/libvirt/slow
mount --bind /run/libvirt/slow "$qemu"
touch /run/libvirt/mounted
"""


@pytest.fixture
def slow_uri(guest_image: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("slow")
    with libvirtd.daemon(folder, beside=BESIDE.format(seconds=PROBE_S)) as uri:
        deadline = time.monotonic() + 20
        while not (folder / "run" / "mounted").exists():
            assert time.monotonic() < deadline, (folder / "out").read_text()
            time.sleep(0.05)
        yield uri


def test_a_daemon_that_takes_long_is_told_of_and_waited_for(
    slow_uri: str, guest_image: Path, tmp_path: Path
) -> None:
    environment = {**os.environ, "XDG_STATE_HOME": str(tmp_path / "state")}
    config = guests.config(tmp_path, slow_uri, guest_image, "qemu_boot_timeout = 1 s")
    done = guests.continuum("up", config, cwd=tmp_path, environment=environment)
    assert "libvirt is probing QEMU, which takes long" in done.stderr
    assert "sudo chmod 600 /dev/kvm" in done.stderr
    # Guests have their time from their start on; what the daemon took is not taken off it.
    assert "login failed until the time limit" in done.stderr, done.stderr
    assert done.returncode == 4
    assert things(slow_uri) == []
