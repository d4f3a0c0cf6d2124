"""A temporary libvirt daemon for benchmarks and tests that shares nothing with the host's.

It runs in a mount namespace in which its folders are in a temporary one and ``/dev`` has no ``kvm``: guests
are TCG-emulated even where KVM is present, since it does not work everywhere.
"""

import contextlib
import ctypes
import fcntl
import hashlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

PROGRAMS = ("libvirtd", "virtlogd", "qemu-system-x86_64", "qemu-img", "unshare", "mmdebstrap")
START_TIMEOUT_S = 60.0
KUBERNETES_PACKAGES = (
    "containerd",
    "runc",
    "containernetworking-plugins",
    "iptables",
    "conntrack",
    "ethtool",
    "kmod",
)
"""Packages that guests of a Kubernetes cluster would otherwise install."""

_PR_SET_CHILD_SUBREAPER = 36

_SCRIPT = """\
set -e
mount --make-rprivate /
mount --bind "$1/etc" /etc/libvirt
mount --bind "$1/lib" /var/lib/libvirt
mount --bind "$1/cache" /var/cache/libvirt
mount --bind "$1/log" /var/log/libvirt
mkdir -p /run/libvirt
mount --bind "$1/run" /run/libvirt
mkdir "$1/dev"
mount -t tmpfs -o mode=755 none "$1/dev"
for node in null zero full random urandom tty; do
    touch "$1/dev/$node"
    mount --bind "/dev/$node" "$1/dev/$node"
done
mkdir "$1/dev/net" "$1/dev/pts" "$1/dev/shm"
touch "$1/dev/net/tun"
mount --bind /dev/net/tun "$1/dev/net/tun"
mount --rbind /dev/pts "$1/dev/pts"
mount -t tmpfs none "$1/dev/shm"
ln -s pts/ptmx "$1/dev/ptmx"
ln -s /proc/self/fd "$1/dev/fd"
mount --move "$1/dev" /dev 2>/dev/null || mount --rbind "$1/dev" /dev
ln -s "$1/sock/libvirt-sock" /run/libvirt/libvirt-sock
[ ! -e "$1/beside" ] || sh "$1/beside" &
virtlogd -f "$1/virtlogd.conf" -p "$1/virtlogd.pid" &
exec libvirtd -f "$1/libvirtd.conf" -p "$1/libvirtd.pid"
"""
_CONFIG = """\
unix_sock_dir = "{folder}/sock"
auth_unix_rw = "none"
auth_unix_ro = "none"
log_outputs = "2:file:{folder}/libvirtd.log"
"""


def missing_requirement() -> str:
    """Why this machine cannot run a daemon; empty if it can."""
    path = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
    missing = [name for name in PROGRAMS if shutil.which(name, path=path) is None]
    if missing:
        return f"not installed: {', '.join(missing)}"
    if os.geteuid() != 0:
        return "requires root"
    try:
        import libvirt  # noqa: F401
        import pycdlib  # noqa: F401
    except ImportError as error:
        return f"not installed: {error.name}"
    return ""


@contextlib.contextmanager
def daemon(folder: Path, network: str = "", beside: str = "") -> Iterator[str]:
    """Run a daemon while the context is open; yields its address. Its guests end with it.

    Args:
        folder: folder of all its files.
        network: name of the network namespace to run it in; empty for this one.
        beside: shell script to run in the same namespaces.
    """
    for name in (
        "lib/dnsmasq",
        "lib/images",
        "lib/boot",
        "etc/qemu/networks",
        "cache",
        "log/qemu",
        "run",
        "sock",
    ):
        (folder / name).mkdir(parents=True, mode=0o755)
    (folder / "libvirtd.conf").write_text(_CONFIG.format(folder=folder))
    (folder / "virtlogd.conf").write_text("")
    if beside:
        (folder / "beside").write_text(beside)
    with supervised(folder, _SCRIPT, folder / "sock" / "libvirt-sock", network):
        yield f"qemu:///system?socket={folder}/sock/libvirt-sock"


@contextlib.contextmanager
def supervised(folder: Path, script: str, answers_at: Path, network: str = "") -> Iterator[None]:
    """Run a script that becomes a daemon; at the end all of its descendants are killed.

    Args:
        folder: argument of the script; receives its output.
        script: shell script, run in a new mount namespace.
        answers_at: the daemon's socket.
        network: name of the network namespace to run it in; empty for this one.
    """
    (folder / "start").write_text(script)
    keeper = subprocess.Popen(
        [sys.executable, __file__, str(folder), network], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL
    )
    try:
        _wait_for(answers_at, keeper, folder)
        yield
    finally:
        assert keeper.stdin is not None
        keeper.stdin.close()
        keeper.wait(60)


@contextlib.contextmanager
def temporary() -> Iterator[tuple[str, Path]]:
    """Run a daemon while the context is open; yields its address and a base image for guests."""
    with tempfile.TemporaryDirectory(prefix="libvirtd-") as name:
        made = provide_image()
        with daemon(Path(name) / "daemon") as uri:
            yield uri, made


def provide_image() -> Path:
    """The base image that this user has built, or a cached one, built if missing."""
    from infrastructure.qemu import image

    return image.own_image() if image.is_there("") else provide_image_with(())


def provide_image_with(packages: Sequence[str]) -> Path:
    """A cached base image with additional packages; built if missing."""
    from continuum.host import facts
    from continuum.software.debian_image import ImageRequest
    from continuum.software.packages.store import cache_folder
    from infrastructure.qemu import image, recipe

    key = hashlib.sha256(" ".join((recipe.fingerprint(), *packages)).encode()).hexdigest()[:12]
    folder = cache_folder() / "tests" / f"guests-{key}"
    folder.parent.mkdir(parents=True, exist_ok=True)
    with folder.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # another process may be building it
        if not image.is_own(folder):
            image.build(ImageRequest(host=facts.read(), name=str(folder), packages=tuple(packages)))
    return folder


def _wait_for(path: Path, keeper: subprocess.Popen[bytes], folder: Path) -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline and keeper.poll() is None:
        with socket.socket(socket.AF_UNIX) as one, contextlib.suppress(OSError):
            one.connect(str(path))
            return
        time.sleep(0.1)
    raise RuntimeError(f"libvirtd does not answer:\n{(folder / 'out').read_text()}")


def keep(folder: Path, network: str) -> None:
    """Adopt the orphans of the daemon until standard input is closed, then end all of them.

    libvirt waits until the guests that it ends are reaped, which the init process of a container may not do.
    """
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    enter = ["nsenter", f"--net=/run/netns/{network}"] if network else []
    with (folder / "out").open("wb") as out:
        subprocess.Popen(
            [*enter, "unshare", "--mount", "sh", str(folder / "start"), str(folder)],
            env={**os.environ, "PATH": f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"},
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            start_new_session=True,
        )
    os.set_blocking(0, False)
    while True:
        with contextlib.suppress(BlockingIOError):
            if os.read(0, 1) == b"":
                break
        _reap()
        time.sleep(0.05)
    deadline = time.monotonic() + 30
    while (children := _children()) and time.monotonic() < deadline:
        for pid in children:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM if time.monotonic() < deadline - 20 else signal.SIGKILL)
        time.sleep(0.1)
        _reap()


def _reap() -> None:
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def _children() -> list[int]:
    """This process's children, including orphans of the daemon."""
    return [int(pid) for pid in Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()]


if __name__ == "__main__":
    keep(Path(sys.argv[1]), sys.argv[2])
