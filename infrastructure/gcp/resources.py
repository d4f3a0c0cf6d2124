"""The JSON of a run's resources for the Compute API; pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from infrastructure.gcp import names
from infrastructure.gcp.settings import CloudLocation

RANGE = "10.80.0.0/16"
"""Addresses of the nodes in the run's network."""

_API = "https://www.googleapis.com/compute/v1"


@dataclass(frozen=True)
class Machine:
    """The configuration of an instance.

    Attributes:
        machine_type: as in ``e2-standard-2``.
        image: as PROJECT/FAMILY.
        disk_gb: size of the boot disk.
        spot: whether it is a spot instance, which Google may stop at any time.
    """

    machine_type: str
    image: str
    disk_gb: int
    spot: bool


def network(run_id: str, owner: str) -> dict[str, Any]:
    """The run's network, without a subnetwork."""
    return {
        "name": names.network(run_id),
        "description": names.description(run_id, owner),
        "autoCreateSubnetworks": False,
    }


def subnetwork(run_id: str, location: CloudLocation, owner: str) -> dict[str, Any]:
    """The only subnetwork of the network."""
    return {
        "name": names.network(run_id),
        "description": names.description(run_id, owner),
        "network": f"projects/{location.project}/global/networks/{names.network(run_id)}",
        "ipCidrRange": RANGE,
    }


def firewalls(
    run_id: str, location: CloudLocation, source: str, port: int, owner: str
) -> tuple[dict[str, Any], ...]:
    """Firewall rules: the caller may log in, nodes reach each other; all other traffic is dropped."""
    login, inside = names.firewalls(run_id)
    common = {
        "description": names.description(run_id, owner),
        "network": f"projects/{location.project}/global/networks/{names.network(run_id)}",
        "direction": "INGRESS",
    }
    return (
        {
            **common,
            "name": login,
            "sourceRanges": [source],
            "allowed": [{"IPProtocol": "tcp", "ports": [str(port)]}],
        },
        {
            **common,
            "name": inside,
            "sourceRanges": [RANGE],
            "allowed": [{"IPProtocol": "tcp"}, {"IPProtocol": "udp"}, {"IPProtocol": "icmp"}],
        },
    )


def instance(
    run_id: str, node: str, location: CloudLocation, machine: Machine, metadata: Mapping[str, str], owner: str
) -> dict[str, Any]:
    """The instance of a node."""
    labels = {names.RUN_LABEL: names.label(run_id), names.OWNER_LABEL: owner}
    project, family = machine.image.split("/")
    body: dict[str, Any] = {
        "name": names.instance(run_id, node),
        "description": names.description(run_id, owner),
        "machineType": f"zones/{location.zone}/machineTypes/{machine.machine_type}",
        "labels": labels,
        "metadata": {"items": [{"key": key, "value": value} for key, value in metadata.items()]},
        "disks": [
            {
                "boot": True,
                "autoDelete": True,
                "initializeParams": {
                    "description": names.description(run_id, owner),
                    "sourceImage": f"{_API}/projects/{project}/global/images/family/{family}",
                    "diskSizeGb": str(machine.disk_gb),
                    "diskType": f"zones/{location.zone}/diskTypes/pd-balanced",
                    "labels": labels,
                },
            }
        ],
        "networkInterfaces": [
            {
                "subnetwork": (
                    f"projects/{location.project}/regions/{location.region}/subnetworks/{names.network(run_id)}"
                ),
                "accessConfigs": [{"type": "ONE_TO_ONE_NAT", "name": "External NAT"}],
            }
        ],
    }
    if machine.spot:
        body["scheduling"] = {
            "provisioningModel": "SPOT",
            "instanceTerminationAction": "DELETE",
            "automaticRestart": False,
        }
    return body


def metadata(user: str, public_key: str) -> dict[str, str]:
    """Instance metadata: the key that may log in, and the request to publish the host keys."""
    return {
        "ssh-keys": f"{user}:{public_key.strip()}",
        "block-project-ssh-keys": "TRUE",
        "enable-oslogin": "FALSE",
        "enable-guest-attributes": "TRUE",
    }
