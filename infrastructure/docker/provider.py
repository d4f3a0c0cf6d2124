"""The provider ``docker``: creates, limits and deletes nodes that are containers."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from continuum.config import topology_builder
from continuum.errors import ContinuumError, HostError, ProvisionError
from continuum.host import capacity, namespaces
from continuum.host.cgroup.node import NodeGroups
from continuum.host.parallel import in_parallel
from continuum.model.node import Node, Usage
from continuum.model.topology import NodeSpec
from continuum.modules import resource
from continuum.modules.base import Finding
from continuum.modules.provider import Provider
from continuum.network import host_addresses
from continuum.options import Option, Text
from continuum.rundir import index
from infrastructure.docker import (
    cgroups,
    container,
    container_settings,
    images,
    interfaces,
    management,
    probe,
)
from infrastructure.docker.connection import ContainerTarget, DockerConnection
from infrastructure.docker.container import CONTAINER, Container, Started
from infrastructure.docker.container_settings import (
    LABEL_FOLDER,
    LABEL_ORIGIN,
    LABEL_RUN,
    LABEL_STATE,
    LABEL_USER,
    Labels,
)
from infrastructure.docker.engine_api import DEFAULT_URL, DaemonError, client, daemon_errors

if TYPE_CHECKING:
    from continuum.connection.deployment import Deployment
    from continuum.errors import Problem
    from continuum.host.facts import Host
    from continuum.model.config import Config
    from continuum.rundir.run import Run
    from continuum.software.debian_image import ImageRequest

DAEMON = "docker-daemon"
"""Kind of a daemon's address in the journal."""

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

    def probe(self, config: Config, host: Host) -> Iterable[Problem]:
        """What the host is missing for these nodes, each with its remedy."""
        pinned = config.infrastructure.flag("cpu_pin")
        return list(probe.problems(topology_builder.from_config(config), pinned, _url(config), host))

    def no_virtual_machines(self, config: Config, host: Host) -> str:
        """Always a reason: its containers get no devices of this host."""
        return "they are containers without /dev/kvm"

    def doctor(self, host: Host) -> Iterable[Finding]:
        """Whether the Docker daemon and an image for nodes are available."""
        return list(probe.findings(_default_url(), host))

    def create(self, specs: Sequence[NodeSpec], run: Run) -> tuple[Node, ...]:
        """Start the containers and attach them to the run's fabric.

        Raises:
            ProvisionError: the image is unavailable, or a container cannot be created.
        """
        url = _url(run.config)
        if run.config.infrastructure.flag("cpu_pin"):
            specs = capacity.pinned(specs, sorted(os.sched_getaffinity(0)))
        run.own(DAEMON, url)
        addresses, managed = host_addresses.addresses(specs), management.addresses(specs)
        started = _start(url, specs, run, addresses, has_hub=bool(managed))
        pids = {name: each.pid for name, each in started.items()}
        _note_warnings(run, (each.warnings for each in started.values()))
        _attach(run, specs, addresses, [pids[spec.name] for spec in specs])
        if managed:
            management.connect(pids[management.HUB], management.attachments(pids, managed))
        return tuple(
            Node(
                spec,
                addresses[spec.name],
                _handle(url, started[spec.name]),
                managed.get(spec.name, ""),
            )
            for spec in specs
        )

    def destroy(self, run: Run, owned: Sequence[tuple[str, str]]) -> None:
        """Delete every container that has the run's label, at the daemons that the journal names.

        Raises:
            ProvisionError: the daemon does not answer, so containers may remain.
        """
        names = [ident for kind, ident in owned if kind == CONTAINER]
        for url in _daemons(run, owned):
            try:
                for name in container.without_label(url, run.id, names):
                    run.tell(f"{run.id}: container {name} has not the label of this run; it is not touched")
                container.delete_containers(url, run.id)
            except (DaemonError, HostError) as error:
                raise ProvisionError(
                    f"containers of run {run.id} may remain: {error}; then run: continuum destroy {run.id}"
                ) from error

    def enforce(self, nodes: Sequence[Node], run: Run) -> None:
        """Apply CPU quotas, including those of workloads that already run."""
        _note_warnings(run, in_parallel(container.enforce, nodes))
        if not all(cgroups.bounds_workloads(node) for node in nodes):
            run.note("workloads have no limits of their own within their containers (cgroup v2)")

    def usage(self, deployment: Deployment, run: Run) -> Mapping[str, Usage]:
        """What each node has used so far, by its name."""
        nodes = deployment.nodes
        return dict(zip((node.name for node in nodes), in_parallel(_usage, nodes), strict=True))

    def build_image(self, request: ImageRequest) -> str:
        """Build the image that nodes use by default: Debian with Python, from packages alone."""
        url, name = _default_url(), request.name or images.BUILT
        if obstacle := next(probe.daemon_obstacles(url), ""):
            raise HostError(f"provider docker: {obstacle}")
        return images.build(url, name, request)

    def survivors(self, host: Host) -> Mapping[str, str]:
        """This user's runs that have containers, with their folders.

        Runs that were started in another mount or PID namespace are left to those who started them there.
        """
        url = _default_url()
        if not _exists(url) or probe.unreachable(url):
            return {}
        mine = [
            each["Labels"]
            for each in container.labelled(url, LABEL_RUN)
            if each["Labels"].get(LABEL_USER) == str(host.user_id)
        ]
        return {
            labels[LABEL_RUN]: labels.get(LABEL_FOLDER, "")
            for labels in mine
            if not namespaces.is_other(labels.get(LABEL_ORIGIN, ""))
            and labels.get(LABEL_STATE, "") == index.chosen_state()
        }

    def connect(self, node: Node, run: Run) -> DockerConnection:
        """A connection to an existing node."""
        handle = node.handle
        return DockerConnection(
            ContainerTarget(
                node=node.name,
                run_id=run.id,
                container=str(handle["container"]),
                url=str(handle["daemon"]),
                join=partial(cgroups.join, node),
            )
        )


def _daemons(run: Run, owned: Sequence[tuple[str, str]]) -> list[str]:
    """The daemons to look for a run's containers at: sockets of this machine that the journal names.

    If it names none, or its folder is gone, the daemon that this user usually uses, if there is one.
    """
    default = _default_url()
    named = list(dict.fromkeys(ident for kind, ident in owned if kind == DAEMON))
    for url in named:
        if url != default and not url.startswith("unix:///"):
            run.tell(
                f"{run.id}: the journal names the Docker daemon {url}, which is not of this machine; not used"
            )
    found = [url for url in named if url == default or url.startswith("unix:///")]
    return found or ([default] if _exists(default) else [])


def _exists(url: str) -> bool:
    """Whether the socket of a daemon exists."""
    return Path(url.removeprefix("unix://")).exists()


def _default_url() -> str:
    return os.environ.get("DOCKER_HOST") or DEFAULT_URL


def _url(config: Config) -> str:
    return config.infrastructure.maybe_text(_HOST_KEY) or _default_url()


def _start(
    url: str, specs: Sequence[NodeSpec], run: Run, addresses: Mapping[str, str], *, has_hub: bool
) -> dict[str, Started]:
    """Start the container of each node, and the hub of the management network; by the node's name."""
    image = images.choose(url, run.config.infrastructure.maybe_text("docker_image"))
    device = container.disk(url, specs)
    if not device and any(spec.read_mb_per_s or spec.write_mb_per_s for spec in specs):
        run.note("disk throughput is not limited (Docker's files are on no disk of this host)")
    labels = Labels(run.id, os.geteuid(), str(run.directory), namespaces.origin(), index.chosen_state())
    shapes = host_addresses.start_switch(run)
    settings = {
        spec.name: container_settings.node(spec, labels, image, addresses, device, shapes=shapes)
        for spec in specs
    }
    if has_hub:
        settings[management.HUB] = container_settings.hub(labels, management.HUB, image)
    containers = [
        Container(url, container_settings.container_name(run.id, name), body)
        for name, body in settings.items()
    ]
    return dict(zip(settings, resource.create_all(containers, run), strict=True))


def _attach(run: Run, specs: Sequence[NodeSpec], addresses: Mapping[str, str], pids: Sequence[int]) -> None:
    from continuum.network.fabric.client import Client

    attachments = [
        interfaces.Attachment(spec.name, pid, addresses[spec.name])
        for spec, pid in zip(specs, pids, strict=True)
    ]
    descriptors = interfaces.create(attachments)
    try:
        with Client(run.directory) as fabric:
            fabric.attach([(spec.name, spec.tier, addresses[spec.name]) for spec in specs], descriptors)
    finally:
        for descriptor in descriptors:
            os.close(descriptor)


def _note_warnings(run: Run, warnings: Iterable[Sequence[str]]) -> None:
    """Note each setting that the daemon ignores, once."""
    for text in dict.fromkeys(text for some in warnings for text in some):
        run.note(f"warning of the Docker daemon: {text}")


def _handle(url: str, started: Started) -> dict[str, Any]:
    return {"container": started.ident, "daemon": url, "groups": cgroups.of_process(started.pid)}


def _usage(node: Node) -> Usage:
    """Usage from the node's control groups; if its container has ended, what the daemon knows of it."""
    used = NodeGroups.of(node.spec, node.handle["groups"]).usage()
    if used.cpu_seconds is not None:
        return used
    url = str(node.handle["daemon"])
    try:
        with daemon_errors(url):
            state = client(url).inspect_container(node.handle["container"])["State"]
    except ContinuumError:
        return used
    return replace(used, out_of_memory_kills=int(bool(state.get("OOMKilled"))))
