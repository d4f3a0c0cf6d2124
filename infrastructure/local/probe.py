"""What this host is missing for nodes, each with its remedy."""

from __future__ import annotations

import errno
from collections.abc import Iterable, Iterator
from pathlib import Path

from continuum.errors import Problem
from continuum.host import capacity
from continuum.host.cgroup import find
from continuum.host.facts import Host
from continuum.model.topology import Topology
from continuum.modules.base import Finding
from infrastructure.local import trial

_SWITCHES = {
    "kernel/unprivileged_userns_clone": ("0", "1"),
    "kernel/apparmor_restrict_unprivileged_userns": ("1", "0"),
    "user/max_user_namespaces": ("0", "15000"),
    "user/max_net_namespaces": ("0", "15000"),
}
_WORDS = {
    trial.NAMESPACES: "nodes need namespaces",
    trial.MOUNT: "nodes need mount and network namespaces",
    trial.TUN: "nodes need TUN devices for their network",
    trial.OVERLAY: "nodes need the overlay file system",
}


def problems(topology: Topology, pinned: bool, host: Host, *, as_user: bool) -> Iterator[Problem]:
    """Why this host cannot run these nodes, or only with distorted results.

    Args:
        topology: the nodes.
        pinned: whether each has processors of its own.
        host: this host.
        as_user: whether they have a user namespace.
    """
    yield from capacity.shortages(topology, pinned, host)
    for name, error in trial.failures(as_user=as_user).items():
        remedy = _remedy(name, error, host)
        yield Problem(f"{_WORDS[name]}, but the kernel refuses: {error.strerror}; {_fix(remedy)}")


def _fix(remedy: str) -> str:
    return f"to fix it: {remedy}"


def _remedy(name: str, error: OSError, host: Host) -> str:
    if name == trial.TUN:
        return _TUN_REMEDIES.get(error.errno or 0, "sudo chmod 666 /dev/net/tun")
    if name == trial.OVERLAY and error.errno == errno.ENODEV:
        return "sudo modprobe overlay"
    for path, (bad, good) in _SWITCHES.items():
        if _setting(path) == bad:
            return f"sudo sysctl -w {path.replace('/', '.')}={good}"
    return "docker run --privileged, if this is a container" if host.is_root else "sudo -E continuum ..."


_TUN_REMEDIES = {
    errno.ENOENT: "sudo sh -c 'modprobe tun; mkdir -p /dev/net; mknod -m 666 /dev/net/tun c 10 200'",
    errno.ENODEV: "sudo modprobe tun",
    errno.ENXIO: "sudo modprobe tun",
}


def _setting(path: str) -> str:
    try:
        return (Path("/proc/sys") / path).read_text(encoding="ascii").strip()
    except OSError:
        return ""


def findings(host: Host) -> Iterable[Finding]:
    """Whether namespaces, TUN devices, overlays and control groups are available."""
    failed = trial.failures(as_user=trial.needs_user_namespace())
    blocked = next((failed[name] for name in (trial.NAMESPACES, trial.MOUNT) if name in failed), None)
    user = "as root" if host.is_root else "in an unprivileged user namespace"
    for name, label in (
        (trial.NAMESPACES, "namespaces"),
        (trial.TUN, "TUN devices"),
        (trial.OVERLAY, "overlay file system"),
    ):
        error = blocked or failed.get(name)
        remedy = _remedy(trial.NAMESPACES if blocked else name, error, host) if error else ""
        yield Finding(label, error is None, str(error.strerror) if error else user, remedy)
    yield _limits_finding(host)


def _limits_finding(host: Host) -> Finding:
    layout = find.layout(find.ALL)
    if layout is None:
        remedy = (
            "mount -t cgroup2 none /sys/fs/cgroup"
            if host.is_root
            else "systemd-run --user --scope -p Delegate=yes continuum ..."
        )
        return Finding(
            "limits (control groups)", False, "none can be created, so nodes have no limits", remedy
        )
    missing = [name for name in find.ALL if not layout.has(name)]
    detail = f"cgroup v{layout.version}: {', '.join(layout.parents)}"
    if missing:
        detail += f"; without {', '.join(missing)}"
    return Finding("limits (control groups)", not missing, detail)
