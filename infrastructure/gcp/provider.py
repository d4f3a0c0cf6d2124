"""The provider ``gcp``: creates, reaches and deletes instances of Google Compute Engine."""

from __future__ import annotations

import importlib.util
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

from continuum.config import topology_builder
from continuum.connection.ssh import hosts
from continuum.connection.ssh.connection import SshConnection, SshTarget
from continuum.errors import HostError, Problem, ProvisionError
from continuum.host.parallel import in_parallel
from continuum.model.node import FOLDER, Node, Usage
from continuum.modules.base import Finding
from continuum.modules.provider import Provider
from infrastructure.gcp import known_locations, prices, settings
from infrastructure.gcp.settings import CloudLocation

if TYPE_CHECKING:
    from continuum.connection.deployment import Deployment
    from continuum.host.facts import Host
    from continuum.model.config import Config
    from continuum.model.topology import NodeSpec, Topology
    from continuum.options import Option
    from continuum.rundir.run import Run
    from infrastructure.gcp.api import Timeouts

LOCATION = "gcp-place"
"""Kind of a location in the journal."""

_INSTALL = 'pip install "continuum-bench[gcp]"'


class GcpProvider(Provider):
    """Nodes are instances of Google Compute Engine.

    Attributes:
        timeouts: time limits; None for the defaults.
    """

    summary: ClassVar[str] = "instances of Google Compute Engine, in a network that belongs to the run"
    options: ClassVar[tuple[Option, ...]] = settings.OPTIONS
    engines: ClassVar[tuple[str, ...]] = ("netem",)
    own_kernel: ClassVar[bool] = True
    real_network: ClassVar[bool] = True

    timeouts: Timeouts | None = None

    def check(self, config: Config) -> Iterable[Problem]:
        """Keys that are missing or contradict each other."""
        planned = topology_builder.from_config(config)
        return [*settings.problems(config, planned), *prices.mismatches(config, planned)]

    def estimate(self, config: Config, topology: Topology) -> tuple[str, ...]:
        """The price per hour, from a table with a date."""
        return prices.estimate(config, topology)

    def probe(self, config: Config, host: Host) -> Iterable[Problem]:
        """What this host is missing to create instances and to log in to them."""
        path = config.infrastructure.path("gcp_credentials")
        if path is not None and not path.is_file():
            yield config.infrastructure.problem(
                "gcp_credentials", f"no such file: {path}; write the path of a service account's key file"
            )
        for finding in self.doctor(host):
            if not finding.ok:
                yield Problem(f"{finding.name}: {finding.detail}; to fix it: {finding.remedy}")

    def doctor(self, host: Host) -> Iterable[Finding]:
        """Whether Google's client and OpenSSH are installed."""
        there = _has_google()
        detail = "installed" if there else "google-cloud-compute is not installed"
        yield Finding("client of Google Cloud", there, detail, _INSTALL)
        for name in ("ssh", "ssh-keygen"):
            path = host.find_command(name)
            remedy = "sudo apt-get install openssh-client"
            yield Finding(name, path is not None, str(path or "not found"), remedy)

    def create(self, specs: Sequence[NodeSpec], run: Run) -> tuple[Node, ...]:
        """Create the network, then all instances at once, and log in to each.

        Raises:
            ProvisionError: the API refuses, or an instance cannot be reached in time.
        """
        from infrastructure.gcp import create

        location = settings.location_of(run.config)
        run.own(LOCATION, location.to_json())
        known_locations.remember(location)
        for limit in settings.unlimited(topology_builder.from_config(run.config)):
            run.note(limit)
        found = create.create(specs, self._cloud(location), run)
        nodes = [Node(spec, found[spec.name].internal_address, found[spec.name].handle()) for spec in specs]
        deadline = time.monotonic() + self._timeouts().boot_s
        addresses = {node.name: node.address for node in nodes}
        return tuple(in_parallel(lambda node: self._prepare(node, run, addresses, deadline), nodes))

    def _prepare(self, node: Node, run: Run, addresses: Mapping[str, str], deadline: float) -> Node:
        """Log in for the first time and prepare the instance; the node with its network interface."""
        with closing(_connection(node, run)) as connection:
            hosts.wait_reachable(connection, deadline, poll_s=self._timeouts().poll_s)
            if run.config.infrastructure.flag("network_emulation"):
                connection.run(
                    ("modprobe", "-a", "sch_htb", "sch_netem", "cls_u32", "act_police"), timeout=60
                )
            hosts.write_hosts(connection, _folder(run.id), addresses)
            others = [address for name, address in addresses.items() if name != node.name]
            interface = hosts.interface_to(connection, others or [node.address])
        return replace(node, interface=interface)

    def destroy(self, run: Run, owned: Sequence[tuple[str, str]]) -> None:
        """Delete what the journal names and has a name of the run, then what has the run's label or name.

        Only in projects that this user has used, at the address of the API that was configured then: this
        host sends its credentials there.

        Raises:
            ProvisionError: a resource cannot be deleted, or the journal names an address that was never used.
        """
        used = list(known_locations.remembered())
        named = [location for kind, ident in owned if kind == LOCATION for location in _location(ident)]
        trusted = [one for one in dict.fromkeys(named) if one in used or one.has_defaults]
        for location in trusted or (() if named else used):
            from infrastructure.gcp import delete

            delete.delete(self._cloud(location), run.id, owned, run.tell)
        if refused := [one for one in named if one not in trusted]:
            raise ProvisionError(
                f"{run.id}: not connected to {refused[0].api} (project {refused[0].project}), which only the "
                "journal names and this user has never used: resources of the run may remain there"
            )

    def survivors(self, host: Host) -> Iterable[str]:
        """Runs of this user on this host that have resources left in a project used before."""
        known = list(known_locations.remembered())
        if not known or not _has_google():
            return []
        from infrastructure.gcp import delete

        return delete.remaining_runs(self._cloud(location) for location in known)

    def connect(self, node: Node, run: Run) -> SshConnection:
        """A connection to an instance, with the run's own key and known hosts."""
        return hosts.with_names(_connection(node, run), _folder(run.id))

    def usage(self, deployment: Deployment, run: Run) -> Mapping[str, Usage]:
        """What each instance has used so far."""
        return hosts.usage(deployment)

    def _timeouts(self) -> Timeouts:
        from infrastructure.gcp.api import Timeouts

        return self.timeouts or Timeouts()

    def _cloud(self, location: CloudLocation) -> Any:
        if not _has_google():
            raise HostError(f"google-cloud-compute is not installed; run: {_INSTALL}")
        from infrastructure.gcp.api import Cloud

        return Cloud(location, self._timeouts())


def _location(ident: str) -> Iterator[CloudLocation]:
    """The location of an entry of the journal; none if the entry is damaged."""
    with suppress(TypeError, ValueError, RecursionError):
        yield CloudLocation.from_json(ident)


def _connection(node: Node, run: Run) -> SshConnection:
    handle, files = node.handle, run.directory / "ssh"
    return SshConnection(
        SshTarget(
            node=node.name,
            run_id=run.id,
            host=str(handle["host"]),
            user=str(handle["user"]),
            port=int(handle["port"]),
            key=files / "key",
            known_hosts=files / "known_hosts",
            sudo=handle["user"] != "root",
            python=node.python,
        )
    )


def _folder(run_id: str) -> str:
    """The run's folder on an instance."""
    return f"{FOLDER}/{run_id}"


def _has_google() -> bool:
    """Whether Google's client is installed; importing it would take a second."""
    try:
        return importlib.util.find_spec("google.cloud.compute_v1") is not None
    except ModuleNotFoundError:
        return False
