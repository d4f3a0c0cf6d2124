"""Makes a run's network and instances, all that can be at once."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from continuum.connection.ssh import hosts
from continuum.errors import ProvisionError
from infrastructure.gcp import names, places, resources, settings, source
from infrastructure.gcp.resources import Machine

if TYPE_CHECKING:
    from continuum.model.topology import NodeSpec
    from continuum.rundir.run import Run
    from infrastructure.gcp.api import Cloud, Timeouts

KINDS = {
    "Networks": "gcp-network",
    "Subnetworks": "gcp-subnetwork",
    "Firewalls": "gcp-firewall",
    "Instances": "gcp-instance",
}
"""What each service's resources are called in the journal."""


@dataclass(frozen=True)
class Made:
    """An instance that exists.

    Attributes:
        name: its name in the project.
        inside: its address in the run's network.
        outside: the address it is logged into at.
        user: account on it.
        port: of its ssh daemon.
    """

    name: str
    inside: str
    outside: str
    user: str
    port: int

    def handle(self) -> dict[str, Any]:
        """What a node's handle holds."""
        return {
            "instance": self.name,
            "host": self.outside,
            "user": self.user,
            "port": self.port,
        }


class Maker:
    """Makes what one run asks for."""

    def __init__(self, cloud: Cloud, run: Run, timeouts: Timeouts) -> None:
        self._cloud, self._run, self._timeouts = cloud, run, timeouts
        self._section = run.config.infrastructure
        self._user = self._section.text("gcp_user")
        self._port = self._section.integer("gcp_ssh_port")

    def make(self, specs: Sequence[NodeSpec]) -> Mapping[str, Made]:
        """Make everything; each resource is in the journal before it is asked for."""
        run, place = self._run, self._cloud.place
        folder = run.directory / "ssh"
        folder.mkdir(mode=0o700, exist_ok=True)
        public = hosts.make_key(folder / "key", f"continuum {run.id}")
        caller = source.caller(self._section.text("gcp_source"))
        owner = places.owner()
        network = resources.network(run.id, owner)
        around = [("Subnetworks", resources.subnetwork(run.id, place, owner))]
        around += [
            ("Firewalls", rule) for rule in resources.firewalls(run.id, place, caller, self._port, owner)
        ]
        told = resources.metadata(self._user, public)
        instances = [
            resources.instance(run.id, spec.name, place, self._machine(spec), told, owner) for spec in specs
        ]
        run.own_all(
            [(KINDS[service], str(one["name"])) for service, one in [("Networks", network), *around]]
            + [(KINDS["Instances"], str(one["name"])) for one in instances]
        )
        self._insert(("Networks", network))
        hosts.everywhere(around, self._insert)
        hosts.everywhere([("Instances", one) for one in instances], self._insert)
        found: dict[str, Made] = {}
        deadline = time.monotonic() + self._timeouts.boot_s

        def learn(spec: NodeSpec) -> None:
            found[spec.name] = self._learn(spec, deadline)

        hosts.everywhere(specs, learn)
        return found

    def _machine(self, spec: NodeSpec) -> Machine:
        section = self._section
        return Machine(
            settings.machine_of(self._run.config, spec.tier) or "",
            section.text("gcp_image"),
            section.integer("gcp_disk"),
            section.flag("gcp_spot"),
        )

    def _insert(self, one: tuple[str, Mapping[str, Any]]) -> None:
        service, resource = one
        ident = names.request_id(self._run.id, service, str(resource["name"]))
        self._cloud.insert(service, resource, ident)

    def _learn(self, spec: NodeSpec, deadline: float) -> Made:
        """The instance's addresses; its host keys go into the run's known hosts."""
        name = names.instance(self._run.id, spec.name)
        found = self._cloud.get("Instances", name)
        if found is None:
            raise ProvisionError(f"{spec.name}: instance {name} is gone; was it a spot instance?")
        interface = found.network_interfaces[0]
        inside, outside = interface.network_i_p, interface.access_configs[0].nat_i_p
        keys = self._host_keys(spec.name, name, deadline)
        lines = "".join(
            hosts.known_host(outside, self._port, kind, key) for kind, key in sorted(keys.items())
        )
        with (self._run.directory / "ssh" / "known_hosts").open("a", encoding="ascii") as file:
            file.write(lines)
        return Made(name, inside, outside, self._user, self._port)

    def _host_keys(self, node: str, instance: str, deadline: float) -> dict[str, str]:
        """The keys that the guest agent publishes once the instance has started."""
        while not (keys := self._cloud.guest_attributes(instance, "hostkeys/")):
            if time.monotonic() > deadline:
                raise ProvisionError(
                    f"{node}: instance {instance} has not published its host keys within"
                    f" {self._timeouts.boot_s:g} s; does gcp_image have Google's guest agent?"
                )
            time.sleep(self._timeouts.poll_s)
        return keys
