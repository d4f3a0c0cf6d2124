"""What this host is missing for containers as nodes, each with its remedy."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from continuum.errors import Problem
from continuum.host import capacity
from continuum.host.facts import Host
from continuum.model.topology import Topology
from continuum.modules.base import Finding
from infrastructure.docker import images
from infrastructure.docker.engine_api import NO_LIBRARY, DaemonError, client, daemon_errors, explain_no_answer

_UNIX = "unix://"


def obstacles(url: str, host: Host) -> Iterator[str]:
    """Why nodes cannot be created here, each with its remedy."""
    daemon = list(daemon_obstacles(url))
    if daemon:
        yield from daemon
    elif not host.is_root:
        yield ("creating network interfaces inside containers requires root; run: sudo -E continuum ...")
    elif not os.access("/dev/net/tun", os.R_OK | os.W_OK):
        yield "/dev/net/tun is unavailable, and the network of containers requires it; run: sudo modprobe tun"


def daemon_obstacles(url: str) -> Iterator[str]:
    """Why the daemon cannot be used, with the remedy."""
    if importlib.util.find_spec("docker") is None:
        yield NO_LIBRARY
    elif reason := unreachable(url):
        yield reason


def unreachable(url: str) -> str:
    """Why the daemon at a URL cannot be used; empty if it can."""
    if not url.startswith(_UNIX):
        return (
            f"{url} is not on this machine, but the containers' network is created here; set docker_host to"
            " a socket such as unix:///var/run/docker.sock"
        )
    path = Path(url.removeprefix(_UNIX))
    try:
        if not path.exists():
            return explain_no_answer(url, FileNotFoundError())
    except PermissionError as error:
        return explain_no_answer(url, error)
    if not os.access(path, os.R_OK | os.W_OK):
        return explain_no_answer(url, PermissionError("Permission denied"))
    try:
        with daemon_errors(url):
            client(url).ping()
    except DaemonError as error:
        return str(error)
    return ""


def problems(topology: Topology, pinned: bool, url: str, host: Host) -> Iterator[Problem]:
    """Why this host cannot run these nodes, or only with distorted results."""
    for obstacle in obstacles(url, host):
        yield Problem(f"provider docker: {obstacle}")
    yield from capacity.shortages(topology, pinned, host)


def findings(url: str, host: Host) -> Iterable[Finding]:
    """Whether the Docker daemon and an image for nodes are available."""
    found = list(obstacles(url, host))
    for obstacle in found:
        what, _, remedy = obstacle.partition("; run: ")
        yield Finding("Docker", False, what, remedy)
    if found:
        return
    with daemon_errors(url):
        version = client(url).version()
    yield Finding("Docker", True, f"{version['Version']} at {url}")
    there = [name for name in (images.BUILT, images.PULLED) if images.has(url, name)]
    detail = (
        ", ".join(there) if there else f"none yet; {images.PULLED} is pulled if its registry is reachable"
    )
    yield Finding("image for nodes", bool(there), detail, images.BUILD)
