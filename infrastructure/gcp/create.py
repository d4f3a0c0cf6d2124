"""Creates a run's network and instances, and learns how to log in to them."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from continuum.connection.ssh import hosts
from continuum.errors import ProvisionError
from continuum.host.parallel import in_parallel
from continuum.host.polling import poll
from continuum.modules.resource import create_all
from infrastructure.gcp import known_locations, names, resources, settings, source
from infrastructure.gcp.cloud_resource import CloudResource
from infrastructure.gcp.resources import Machine

if TYPE_CHECKING:
    from continuum.model.topology import NodeSpec
    from continuum.rundir.run import Run
    from infrastructure.gcp.api import Cloud


@dataclass(frozen=True)
class Instance:
    """An instance that exists.

    Attributes:
        name: its name in the project.
        internal_address: its address in the run's network.
        external_address: the address to log in at.
        user: account on it.
        port: port of its ssh daemon.
    """

    name: str
    internal_address: str
    external_address: str
    user: str
    port: int

    def handle(self) -> dict[str, Any]:
        """The handle of its node."""
        return {
            "instance": self.name,
            "host": self.external_address,
            "user": self.user,
            "port": self.port,
        }


def create(specs: Sequence[NodeSpec], cloud: Cloud, run: Run) -> Mapping[str, Instance]:
    """Create the network, then all instances at once; the instances by their nodes' names.

    Raises:
        ProvisionError: the API refuses, or an instance does not start in time.
    """
    section, location = run.config.infrastructure, cloud.location
    folder = run.directory / "ssh"
    folder.mkdir(mode=0o700, exist_ok=True)
    public = hosts.make_key(folder / "key", f"continuum {run.id}")
    user, port = section.text("gcp_user"), section.integer("gcp_ssh_port")
    caller, owner = source.caller(section.text("gcp_source")), known_locations.owner()

    def group(*bodies: tuple[str, Mapping[str, Any]]) -> list[CloudResource]:
        return [CloudResource(cloud, service, str(body["name"]), run.id, body) for service, body in bodies]

    rules = resources.firewalls(run.id, location, caller, port, owner)
    metadata = resources.metadata(user, public)
    instances = [
        resources.instance(run.id, spec.name, location, _machine(spec, run), metadata, owner)
        for spec in specs
    ]
    create_all(group(("Networks", resources.network(run.id, owner))), run)
    subnetwork = resources.subnetwork(run.id, location, owner)
    create_all(group(("Subnetworks", subnetwork), *(("Firewalls", rule) for rule in rules)), run)
    create_all(group(*(("Instances", body) for body in instances)), run)
    deadline = time.monotonic() + cloud.timeouts.boot_s
    found = in_parallel(lambda spec: _look_up(spec, cloud, run, deadline, user, port), specs)
    return {spec.name: instance for spec, instance in zip(specs, found, strict=True)}


def _machine(spec: NodeSpec, run: Run) -> Machine:
    section = run.config.infrastructure
    return Machine(
        settings.machine_of(run.config, spec.tier) or "",
        section.text("gcp_image"),
        section.integer("gcp_disk"),
        section.flag("gcp_spot"),
    )


def _look_up(spec: NodeSpec, cloud: Cloud, run: Run, deadline: float, user: str, port: int) -> Instance:
    """Look up an instance's addresses; its host keys are added to the run's known hosts."""
    name = names.instance(run.id, spec.name)
    found = cloud.get("Instances", name)
    if found is None:
        raise ProvisionError(f"{spec.name}: instance {name} is gone; was it a spot instance?")
    interface = found.network_interfaces[0]
    internal, external = interface.network_i_p, interface.access_configs[0].nat_i_p
    keys = _host_keys(spec.name, name, cloud, deadline)
    lines = "".join(hosts.known_host(external, port, kind, key) for kind, key in sorted(keys.items()))
    with (run.directory / "ssh" / "known_hosts").open("a", encoding="ascii") as file:
        file.write(lines)
    return Instance(name, internal, external, user, port)


def _host_keys(node: str, instance: str, cloud: Cloud, deadline: float) -> dict[str, str]:
    """The ssh host keys that the guest agent publishes after the instance has started."""
    keys = poll(lambda: cloud.guest_attributes(instance, "hostkeys/"), deadline, poll_s=cloud.timeouts.poll_s)
    if not keys:
        raise ProvisionError(
            f"{node}: instance {instance} has not published its host keys within"
            f" {cloud.timeouts.boot_s:g} s; does gcp_image have Google's guest agent?"
        )
    return keys
