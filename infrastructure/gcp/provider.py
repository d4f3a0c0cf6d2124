"""The provider ``gcp``: creates, reaches and destroys instances of Google Compute Engine."""

from __future__ import annotations

import importlib.util
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

from continuum.config import topology_builder
from continuum.connection.ssh import hosts
from continuum.connection.ssh.connection import SshConnection, SshTarget
from continuum.errors import HostError, Problem
from continuum.model.node import FOLDER, Node, Usage
from continuum.modules.base import Finding
from continuum.modules.provider import Provider
from infrastructure.gcp import places, prices, settings
from infrastructure.gcp.settings import Place

if TYPE_CHECKING:
    from continuum.host.facts import Host
    from continuum.model.config import Config
    from continuum.model.topology import NodeSpec, Topology
    from continuum.options import Option
    from continuum.rundir.run import Run
    from infrastructure.gcp.api import Timeouts

PLACE = "gcp-place"
_INSTALL = 'pip install "continuum-bench[gcp]"'


class GcpProvider(Provider):
    """Nodes are instances of Google Compute Engine.

    Attributes:
        timeouts: how long to wait for what; None for the usual times.
    """

    summary: ClassVar[str] = "instances of Google Compute Engine, in a network of the run's own"
    options: ClassVar[tuple[Option, ...]] = settings.OPTIONS
    engines: ClassVar[tuple[str, ...]] = ("netem",)
    own_kernel: ClassVar[bool] = True
    real_network: ClassVar[bool] = True

    timeouts: Timeouts | None = None

    def __init__(self) -> None:
        self._connections: dict[tuple[str, str], SshConnection] = {}

    def check(self, config: Config) -> Iterable[Problem]:
        """Keys that are missing or contradict each other."""
        planned = topology_builder.from_config(config)
        return [*settings.problems(config, planned), *prices.mismatches(config, planned)]

    def estimate(self, config: Config, topology: Topology) -> tuple[str, ...]:
        """The price per hour, from a table with a date."""
        return prices.estimate(config, topology)

    def probe(self, config: Config, host: Host) -> Iterable[Problem]:
        """What this host lacks to ask Google for instances and to log into them."""
        path = config.infrastructure.path("gcp_credentials")
        if path is not None and not path.is_file():
            yield config.infrastructure.problem("gcp_credentials", f"there is no file {path}")
        for finding in self.doctor(host):
            if not finding.ok:
                yield Problem(f"{finding.name}: {finding.detail}; to mend it: {finding.remedy}")

    def doctor(self, host: Host) -> Iterable[Finding]:
        """What this host has for it."""
        there = _has_google()
        detail = "installed" if there else "google-cloud-compute is not installed"
        yield Finding("client of Google Cloud", there, detail, _INSTALL)
        for name in ("ssh", "ssh-keygen"):
            path = host.find_command(name)
            remedy = "sudo apt-get install openssh-client"
            yield Finding(name, path is not None, str(path or "not found"), remedy)

    def create(self, specs: Sequence[NodeSpec], run: Run) -> tuple[Node, ...]:
        """Make the network, then all instances at once, and log into each.

        Raises:
            ProvisionError: the API or an instance says no, or nothing in time.
        """
        from infrastructure.gcp.making import Maker

        place = settings.place_of(run.config)
        run.own(PLACE, place.to_json())
        places.remember(place)
        maker = Maker(self._cloud(place), run, self._timeouts())
        found = maker.make(specs)
        nodes = tuple(Node(spec, found[spec.name].inside, found[spec.name].handle()) for spec in specs)
        deadline = time.monotonic() + self._timeouts().boot_s
        addresses = {node.name: node.address for node in nodes}
        ready: dict[str, Node] = {}

        def prepare(node: Node) -> None:
            ready[node.name] = self._prepare(node, run, addresses, deadline)

        hosts.everywhere(nodes, prepare)
        return tuple(ready[node.name] for node in nodes)

    def _prepare(self, node: Node, run: Run, addresses: Mapping[str, str], deadline: float) -> Node:
        """Log in for the first time; the node with what it tells of itself."""
        connection = self._plain(node, run)
        hosts.wait_reachable(connection, deadline, poll_s=self._timeouts().poll_s)
        if run.config.infrastructure.flag("network_emulation"):
            connection.run(("modprobe", "-a", "sch_htb", "sch_netem", "cls_u32"), timeout=60)
        hosts.write_hosts(connection, _folder(run.id), addresses)
        others = [address for name, address in addresses.items() if name != node.name]
        interface = hosts.interface_to(connection, others or [node.address])
        return replace(node, interface=interface)

    def destroy(self, run: Run, owned: Sequence[tuple[str, str]]) -> None:
        """Remove what the journal names, then what carries the run's label or name."""
        for key in [key for key in self._connections if key[0] == run.id]:
            self._connections.pop(key).close()
        found = [Place.from_json(ident) for kind, ident in owned if kind == PLACE]
        if not found and not run.directory.is_dir():
            found = list(places.remembered())
        if not found:
            return
        from infrastructure.gcp import removing

        for place in found:
            removing.remove(self._cloud(place), run.id, owned)

    def survivors(self, host: Host) -> Iterable[str]:
        """Runs of this user and host of which something is left in a project used before."""
        known = list(places.remembered())
        if not known or not _has_google():
            return []
        from infrastructure.gcp import removing

        return removing.found(self._cloud(place) for place in known)

    def connect(self, node: Node, run: Run) -> SshConnection:
        """A connection to an instance, by the run's own key and with its own known hosts."""
        return hosts.with_names(self._plain(node, run), _folder(run.id))

    def _plain(self, node: Node, run: Run) -> SshConnection:
        key, handle, files = (run.id, node.name), node.handle, run.directory / "ssh"
        if key not in self._connections:
            self._connections[key] = SshConnection(
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
        return self._connections[key]

    def usage(self, nodes: Sequence[Node], run: Run) -> Mapping[str, Usage]:
        """What each instance has used so far."""
        return hosts.usage(nodes, lambda node: self.connect(node, run))

    def notes(self, run: Run) -> tuple[str, ...]:
        """What Google's machines do not limit."""
        return settings.unlimited(topology_builder.from_config(run.config))

    def _timeouts(self) -> Timeouts:
        from infrastructure.gcp.api import Timeouts

        return self.timeouts or Timeouts()

    def _cloud(self, place: Place) -> Any:
        if not _has_google():
            raise HostError(f"google-cloud-compute is not installed; run: {_INSTALL}")
        from infrastructure.gcp.api import Cloud

        return Cloud(place, self._timeouts())


def _folder(run_id: str) -> str:
    """The run's folder on an instance."""
    return f"{FOLDER}/{run_id}"


def _has_google() -> bool:
    """Whether Google's client can be imported; without doing so, which takes a second."""
    try:
        return importlib.util.find_spec("google.cloud.compute_v1") is not None
    except ModuleNotFoundError:
        return False
