"""What this host lacks for containers as nodes, each with the command that mends it."""

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
from infrastructure.docker.engine_api import NO_LIBRARY, DaemonError, client, why_silent, worded

_UNIX = "unix://"


def lacks(url: str, host: Host) -> Iterator[str]:
    """Why no nodes can be made here, in words."""
    daemon = list(lacks_daemon(url))
    if daemon:
        yield from daemon
    elif not host.is_root:
        yield (
            "the network of containers is made inside their namespaces, which takes root;"
            " run: sudo -E continuum ..."
        )
    elif not os.access("/dev/net/tun", os.R_OK | os.W_OK):
        yield "containers need TUN devices for their network; run: sudo modprobe tun"


def lacks_daemon(url: str) -> Iterator[str]:
    """Why no daemon can be spoken to, in words."""
    if importlib.util.find_spec("docker") is None:
        yield NO_LIBRARY
    elif silence := unreachable(url):
        yield silence


def unreachable(url: str) -> str:
    """Why the daemon at a URL cannot be used; empty when it can."""
    if not url.startswith(_UNIX):
        return (
            f"{url} is not on this machine: the containers' network is made here, so docker_host"
            " must be a socket such as unix:///var/run/docker.sock"
        )
    path = Path(url.removeprefix(_UNIX))
    try:
        if not path.exists():
            return why_silent(url, FileNotFoundError())
    except PermissionError as error:
        return why_silent(url, error)
    if not os.access(path, os.R_OK | os.W_OK):
        return why_silent(url, PermissionError("Permission denied"))
    try:
        with worded(url):
            client(url).ping()
    except DaemonError as error:
        return str(error)
    return ""


def problems(topology: Topology, pinned: bool, url: str, host: Host) -> Iterator[Problem]:
    """Why these nodes cannot be on this host, or should not."""
    for lack in lacks(url, host):
        yield Problem(f"provider docker: {lack}")
    yield from capacity.shortages(topology, pinned, host)


def findings(url: str, host: Host) -> Iterable[Finding]:
    """What this host can do for containers as nodes."""
    found = list(lacks(url, host))
    for lack in found:
        what, _, remedy = lack.partition("; run: ")
        yield Finding("Docker", False, what, remedy)
    if found:
        return
    with worded(url):
        version = client(url).version()
    yield Finding("Docker", True, f"{version['Version']} at {url}")
    there = [name for name in (images.BUILT, images.PULLED) if images.has(url, name)]
    detail = ", ".join(there) if there else f"none yet; {images.PULLED} is pulled where there is a registry"
    yield Finding("image for nodes", bool(there), detail, images.BUILD)
