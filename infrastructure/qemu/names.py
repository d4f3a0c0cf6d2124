"""What a run's things are called at libvirt: by the names alone they can be found and removed. Pure."""

from __future__ import annotations

import hashlib
import os

PREFIX = "continuum-"
NAMESPACE = "https://continuum.example/run"
"""XML namespace of what this project notes in libvirt's descriptions; nothing is fetched from there."""


def label(run_id: str) -> str:
    """Name of a run's network and storage pool; carries the user, who shares the daemon with others."""
    return f"{PREFIX}{os.getuid()}-{run_id}"


def run_of(name: str) -> str | None:
    """The run of this user that a network, a pool or a domain belongs to; None for any other's."""
    mine = label("")
    if not name.startswith(mine):
        return None
    return name[len(mine) :].partition(".")[0]


def domain(run_id: str, node: str) -> str:
    """Name of a guest; run ids hold no dot."""
    return f"{label(run_id)}.{node}"


def switch(run_id: str) -> str:
    """Name of the switch of a run's guests on one machine; nodes' names end in a number."""
    return domain(run_id, "switch")


def bridge(run_id: str) -> str:
    """Name of a run's bridge; interfaces have 15 characters at most."""
    return "cn-" + hashlib.sha256(label(run_id).encode()).hexdigest()[:10]


def mac(run_id: str, number: int, card: int = 0) -> str:
    """Hardware address of a guest's interface, in the range that is QEMU's."""
    digest = hashlib.sha256(f"{label(run_id)} {number} {card}".encode()).digest()
    return "52:54:00:" + ":".join(f"{byte:02x}" for byte in digest[:3])
