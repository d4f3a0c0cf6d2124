"""A temporary Docker daemon for benchmarks and tests, without a network, with all files in one folder."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from continuum.host import facts
from continuum.software import debian_image
from continuum.software.packages.store import cache_folder
from infrastructure.docker import images, probe

START_TIMEOUT_S = 60
KUBERNETES = "continuum-node-kubernetes"
KUBERNETES_PACKAGES = (
    "containerd",
    "runc",
    "crun",
    "containernetworking-plugins",
    "iptables",
    "conntrack",
    "ethtool",
    "kmod",
    "prometheus",
    "prometheus-node-exporter",
)
"""Packages that nodes of a Kubernetes cluster would otherwise install."""

STOP_TIMEOUT_S = 60


def why_not() -> str:
    """Why this machine cannot run a daemon; empty if it can."""
    if os.geteuid() != 0:
        return "starting a Docker daemon requires root"
    missing = [name for name in ("dockerd", "containerd", "runc", "mmdebstrap") if not _find(name)]
    if missing:
        return f"{', '.join(missing)} not installed; run: sudo apt-get install docker.io mmdebstrap"
    if not os.access("/dev/net/tun", os.R_OK | os.W_OK):
        return "no /dev/net/tun; run: sudo modprobe tun"
    return ""


def _find(name: str) -> str | None:
    found = facts.read().find_command(name)
    return str(found) if found else None


def cgroup_parent(folder: Path) -> str:
    """The control group of the containers of the daemon in ``folder``."""
    return f"dockerd-{hashlib.sha256(str(folder).encode()).hexdigest()[:12]}"


class Dockerd:
    """A daemon without a network and with all files in one folder.

    Args:
        folder: the folder, on a file system that supports overlays.
        enter: prefix of its command, such as one that enters namespaces.
    """

    def __init__(self, folder: Path, enter: Sequence[str] = ()) -> None:
        self.folder, self.enter = folder, enter
        self.url = f"unix://{folder}/docker.sock"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the daemon and wait until it answers."""
        program = _find("dockerd")
        assert program is not None
        folders = [f"--{name}={self.folder / name}" for name in ("data-root", "exec-root", "pidfile")]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [
                    *self.enter,
                    program,
                    *folders,
                    "-H",
                    self.url,
                    "--bridge=none",
                    "--iptables=false",
                    "--ip-forward=false",
                    f"--cgroup-parent={cgroup_parent(self.folder)}",
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        deadline = time.monotonic() + START_TIMEOUT_S
        while silence := probe.unreachable(self.url):
            if self._process.poll() is not None or time.monotonic() > deadline:
                tail = (self.folder / "log").read_text(errors="replace").splitlines()[-5:]
                raise RuntimeError("\n".join([silence, *tail]))
            time.sleep(0.05)

    def stop(self) -> None:
        """Stop the daemon and all of its containers."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(STOP_TIMEOUT_S)
            self._process = None


@contextmanager
def running(folder: Path, enter: Sequence[str] = ()) -> Iterator[Dockerd]:
    """Run a daemon while the context is open."""
    daemon = Dockerd(folder, enter)
    try:
        daemon.start()
        yield daemon
    finally:
        daemon.stop()
        _unmount_below(folder)
        for group in Path("/sys/fs/cgroup").glob(f"**/{cgroup_parent(folder)}"):
            group.rmdir()


def _unmount_below(folder: Path) -> None:
    """Unmount what the daemon leaves mounted."""
    points = [line.split(" ")[1] for line in Path("/proc/mounts").read_text().splitlines()]
    for point in sorted((point for point in points if point.startswith(f"{folder}/")), reverse=True):
        subprocess.run(["umount", "--lazy", point], check=False)


def provide_image(daemon: Dockerd, name: str = images.BUILT, packages: Sequence[str] = ()) -> str:
    """Load an image for nodes with additional packages into the daemon; its root file system is cached.

    Without packages it is the image of ``continuum image build``.
    """
    recipe = Path(debian_image.__file__).read_text(encoding="utf-8")
    key = hashlib.sha256(" ".join((*debian_image.NODE_PACKAGES, *packages, recipe)).encode()).hexdigest()[:8]
    archive = cache_folder() / "tests" / f"{name}-{key}.tar"
    archive.parent.mkdir(parents=True, exist_ok=True)
    with archive.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # several test processes want the same image
        if not archive.is_file():
            part = archive.with_name(f"part-{archive.name}")
            request = debian_image.ImageRequest(facts.read(), packages=tuple(packages))
            debian_image.debian_root(request, debian_image.NODE_PACKAGES, part)
            part.replace(archive)
    images.load_root(daemon.url, archive, name)
    return name


@contextmanager
def temporary(enter: Sequence[str] = ()) -> Iterator[Dockerd]:
    """Run a daemon with an image for nodes, in a temporary folder."""
    folder = Path(tempfile.mkdtemp(prefix="dockerd-"))
    try:
        with running(folder, enter) as daemon:
            provide_image(daemon)
            yield daemon
    finally:
        with contextlib.suppress(OSError):
            shutil.rmtree(folder)
