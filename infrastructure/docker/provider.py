"""The provider ``docker``: creates, limits and destroys nodes that are containers."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from continuum.config import topology_builder
from continuum.errors import ContinuumError, HostError, ProvisionError
from continuum.host import capacity
from continuum.host.cgroup.node import NodeGroups
from continuum.model.node import Node, Usage
from continuum.model.topology import NodeSpec
from continuum.modules.base import Finding
from continuum.modules.provider import Provider
from continuum.network import host_addresses
from continuum.options import Option, Text
from infrastructure.docker import cgroups, containers, daemon, images, interfaces, management, probe
from infrastructure.docker.connection import DockerConnection, Target
from infrastructure.docker.containers import LABEL_FOLDER, LABEL_RUN, LABEL_USER, Labels
from infrastructure.docker.engine_api import DEFAULT_URL, DaemonError, client, worded

if TYPE_CHECKING:
    from continuum.errors import Problem
    from continuum.host.facts import Host
    from continuum.model.config import Config
    from continuum.rundir.run import Run
    from continuum.software.debian_image import ImageRequest

DAEMON = "docker-daemon"
CONTAINER = "docker-container"
_HOST_KEY = "docker_host"


class DockerProvider(Provider):
    """Nodes are containers of a Docker daemon on this machine."""

    summary: ClassVar[str] = "Docker containers on no Docker network: their only links are the emulated ones"
    engines: ClassVar[tuple[str, ...]] = ("fabric", "netem")
    options: ClassVar[tuple[Option, ...]] = (
        Option(
            "infrastructure",
            "docker_image",
            Text(),
            None,
            "Image the nodes are made from. It needs a shell and Python 3.10 or newer.",
            default_text=f"`{images.BUILT}` where `continuum image build` made it, else `{images.PULLED}`",
        ),
        Option(
            "infrastructure",
            _HOST_KEY,
            Text(),
            None,
            "Socket of the Docker daemon, on this machine.",
            default_text=f"the environment's `DOCKER_HOST`, else `{DEFAULT_URL}`",
        ),
    )

    def __init__(self) -> None:
        self._notes: dict[str, tuple[str, ...]] = {}

    def probe(self, config: Config, host: Host) -> Iterable[Problem]:
        """What the host lacks for these nodes, each with its remedy."""
        pinned = config.infrastructure.flag("cpu_pin")
        return list(probe.problems(topology_builder.from_config(config), pinned, _url(config), host))

    def doctor(self, host: Host) -> Iterable[Finding]:
        """What this host can do for containers as nodes."""
        return list(probe.findings(_default_url(), host))

    def create(self, specs: Sequence[NodeSpec], run: Run) -> tuple[Node, ...]:
        """Start the containers and attach them to the run's fabric.

        Raises:
            ProvisionError: the image cannot be had, or a container cannot be made.
        """
        url = _url(run.config)
        if run.config.infrastructure.flag("cpu_pin"):
            specs = capacity.pinned(specs, sorted(os.sched_getaffinity(0)))
        image = images.choose(url, run.config.infrastructure.maybe_text("docker_image"))
        addresses = host_addresses.addresses(specs)
        device = daemon.disk(url, specs)
        self._notes[run.id] = _notes(specs, device)
        labels = Labels(run.id, os.geteuid(), str(run.directory))
        names = {spec.name: containers.container_name(run.id, spec.name) for spec in specs}
        managed = management.addresses(specs)
        if managed:
            names[management.HUB] = containers.container_name(run.id, management.HUB)
        run.own_all([(DAEMON, url), *((CONTAINER, name) for name in names.values())])
        shapes = host_addresses.start_switch(run)
        requests = [
            (
                names[spec.name],
                containers.settings(spec, labels, image, addresses, device, shapes=shapes),
            )
            for spec in specs
        ]
        if managed:
            requests.append((names[management.HUB], containers.hub(labels, management.HUB, image)))
        made = dict(zip(names, daemon.everywhere(partial(daemon.start, url), requests), strict=True))
        pids = {name: one.pid for name, one in made.items()}
        self._note(run, _refused(one.warnings for one in made.values()))
        _attach(run, specs, addresses, [pids[spec.name] for spec in specs])
        if managed:
            management.connect(pids[management.HUB], management.places(pids, managed))
        return tuple(
            Node(
                spec,
                addresses[spec.name],
                _handle(url, made[spec.name]),
                managed.get(spec.name, ""),
            )
            for spec in specs
        )

    def destroy(self, run: Run, owned: Sequence[tuple[str, str]]) -> None:
        """Remove every container that the journal names or that carries the run's label.

        Raises:
            ProvisionError: the daemon does not answer, so that it is not known what is left.
        """
        urls = [ident for kind, ident in owned if kind == DAEMON]
        names = [ident for kind, ident in owned if kind == CONTAINER]
        # Without a journal only the daemon this user usually speaks to can be asked.
        for url in dict.fromkeys(urls or ([] if run.directory.is_dir() else [_default_url()])):
            try:
                daemon.remove_all(url, run.id, names)
            except (DaemonError, HostError) as error:
                raise ProvisionError(
                    f"containers of run {run.id} may be left: {error}; then: continuum destroy {run.id}"
                ) from error

    def enforce(self, nodes: Sequence[Node], run: Run) -> None:
        """Put CPU quotas in force, those of workloads that run already included."""
        self._note(run, _refused(daemon.everywhere(daemon.enforce, nodes)))
        if not all(cgroups.bounds_workloads(node) for node in nodes):
            self._note(run, ["workloads have no limits of their own within their containers (cgroup v2)"])

    def _note(self, run: Run, words: Iterable[str]) -> None:
        self._notes[run.id] = tuple(dict.fromkeys((*self._notes.get(run.id, ()), *words)))

    def usage(self, nodes: Sequence[Node], run: Run) -> Mapping[str, Usage]:
        """What each node has used so far, by its name."""
        return dict(zip((node.name for node in nodes), daemon.everywhere(_usage, nodes), strict=True))

    def notes(self, run: Run) -> tuple[str, ...]:
        """What could not be enforced on this host, in words."""
        return self._notes.get(run.id, ())

    def build_image(self, request: ImageRequest) -> str:
        """A Debian with Python, from packages alone; the image nodes are made from unless told otherwise."""
        url, name = _default_url(), request.name or images.BUILT
        if lack := next(probe.lacks_daemon(url), ""):
            raise HostError(f"provider docker: {lack}")
        return images.build(url, name, request)

    def survivors(self, host: Host) -> Iterable[str]:
        """Runs of this user whose containers exist though their folder does not."""
        url = _default_url()
        if not Path(url.removeprefix("unix://")).exists() or probe.unreachable(url):
            return []
        mine = [
            one["Labels"]
            for one in daemon.labelled(url, LABEL_RUN)
            if one["Labels"].get(LABEL_USER) == str(host.user_id)
        ]
        return {
            labels[LABEL_RUN] for labels in mine if not Path(labels.get(LABEL_FOLDER, "/nowhere")).is_dir()
        }

    def connect(self, node: Node, run: Run) -> DockerConnection:
        """A connection to a node that exists, from its handle alone."""
        handle = node.handle
        return DockerConnection(
            Target(
                node=node.name,
                run_id=run.id,
                container=str(handle["container"]),
                url=str(handle["daemon"]),
                join=partial(cgroups.join, node),
            )
        )


def _default_url() -> str:
    return os.environ.get("DOCKER_HOST") or DEFAULT_URL


def _url(config: Config) -> str:
    return config.infrastructure.maybe_text(_HOST_KEY) or _default_url()


def _notes(specs: Sequence[NodeSpec], device: str) -> tuple[str, ...]:
    if device or not any(spec.read_mb_per_s or spec.write_mb_per_s for spec in specs):
        return ()
    return ("disk throughput is not limited (Docker's files are on no disk of this host's own)",)


def _attach(run: Run, specs: Sequence[NodeSpec], addresses: Mapping[str, str], pids: Sequence[int]) -> None:
    from continuum.network.fabric.client import Client

    places = [
        interfaces.Place(spec.name, pid, addresses[spec.name]) for spec, pid in zip(specs, pids, strict=True)
    ]
    descriptors = interfaces.make(places)
    try:
        with Client(run.directory) as fabric:
            fabric.attach([(spec.name, spec.tier, addresses[spec.name]) for spec in specs], descriptors)
    finally:
        for descriptor in descriptors:
            os.close(descriptor)


def _refused(warnings: Iterable[Sequence[str]]) -> list[str]:
    """What the daemon left out of the settings of containers, each once."""
    return [f"Docker says: {text}" for text in dict.fromkeys(text for some in warnings for text in some)]


def _handle(url: str, made: daemon.Started) -> dict[str, Any]:
    return {
        "container": made.ident,
        "daemon": url,
        "groups": cgroups.handle(made.pid),
    }


def _usage(node: Node) -> Usage:
    """What a node has used: from its groups, or what the daemon says of a container that is no more."""
    used = NodeGroups.of(node).usage()
    if used.cpu_seconds is not None:
        return used
    url = str(node.handle["daemon"])
    try:
        with worded(url):
            state = client(url).inspect_container(node.handle["container"])["State"]
    except ContinuumError:
        return used
    return replace(used, out_of_memory_kills=int(bool(state.get("OOMKilled"))))
