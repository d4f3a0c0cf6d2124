"""Names of a run's resources at libvirt, by which they are found and deleted; pure."""

from __future__ import annotations

import hashlib
import os

PREFIX = "continuum-"
NAMESPACE = "https://continuum.example/run"
"""XML namespace of this project's metadata in libvirt's descriptions; not an address to fetch."""


def label(run_id: str) -> str:
    """Name of a run's network and storage pool; contains the user, since users share the daemon."""
    return f"{PREFIX}{os.getuid()}-{run_id}"


def run_of(name: str) -> str | None:
    """The run of this user that a network, pool or domain belongs to, by its name; None for others."""
    mine = label("")
    if not name.startswith(mine):
        return None
    return name[len(mine) :].partition(".")[0]


def domain(run_id: str, node: str) -> str:
    """Name of a guest; run ids contain no dot."""
    return f"{label(run_id)}.{node}"


def switch(run_id: str) -> str:
    """Name of a run's switch on a machine; no node has this name, since theirs end in a number."""
    return domain(run_id, "switch")


def bridge(run_id: str) -> str:
    """Name of a run's bridge; names of interfaces have at most 15 characters."""
    return "cn-" + hashlib.sha256(label(run_id).encode()).hexdigest()[:10]


def mac(run_id: str, number: int, card: int = 0) -> str:
    """Hardware address of a guest's interface, in the range of QEMU."""
    digest = hashlib.sha256(f"{label(run_id)} {number} {card}".encode()).digest()
    return "52:54:00:" + ":".join(f"{byte:02x}" for byte in digest[:3])
