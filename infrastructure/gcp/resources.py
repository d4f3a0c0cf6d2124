"""What is asked of the Compute API for a run, as the plain JSON of its resources; pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from infrastructure.gcp import names
from infrastructure.gcp.settings import Place

RANGE = "10.80.0.0/16"
"""Addresses of the nodes, in a network of the run's own."""

_API = "https://www.googleapis.com/compute/v1"


@dataclass(frozen=True)
class Machine:
    """What an instance shall be.

    Attributes:
        machine_type: as in ``e2-standard-2``.
        image: as PROJECT/FAMILY.
        disk_gb: size of the boot disk.
        spot: whether Google may take it away.
    """

    machine_type: str
    image: str
    disk_gb: int
    spot: bool


def network(run_id: str, owner: str) -> dict[str, Any]:
    """A network of the run's own, without any subnetwork yet."""
    return {
        "name": names.network(run_id),
        "description": names.description(run_id, owner),
        "autoCreateSubnetworks": False,
    }


def subnetwork(run_id: str, place: Place, owner: str) -> dict[str, Any]:
    """The one subnetwork in it."""
    return {
        "name": names.network(run_id),
        "description": names.description(run_id, owner),
        "network": f"projects/{place.project}/global/networks/{names.network(run_id)}",
        "ipCidrRange": RANGE,
    }


def firewalls(run_id: str, place: Place, source: str, port: int, owner: str) -> tuple[dict[str, Any], ...]:
    """Who may come in: the caller to log in, and nodes to each other. Everybody else is turned away."""
    login, inside = names.firewalls(run_id)
    common = {
        "description": names.description(run_id, owner),
        "network": f"projects/{place.project}/global/networks/{names.network(run_id)}",
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
    run_id: str, node: str, place: Place, machine: Machine, metadata: Mapping[str, str], owner: str
) -> dict[str, Any]:
    """One node."""
    labels = {names.RUN_LABEL: names.label(run_id), names.OWNER_LABEL: owner}
    project, family = machine.image.split("/")
    body: dict[str, Any] = {
        "name": names.instance(run_id, node),
        "description": names.description(run_id, owner),
        "machineType": f"zones/{place.zone}/machineTypes/{machine.machine_type}",
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
                    "diskType": f"zones/{place.zone}/diskTypes/pd-balanced",
                    "labels": labels,
                },
            }
        ],
        "networkInterfaces": [
            {
                "subnetwork": (
                    f"projects/{place.project}/regions/{place.region}/subnetworks/{names.network(run_id)}"
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
    """What the guest agent is told: who may log in, and to publish the host's own keys."""
    return {
        "ssh-keys": f"{user}:{public_key.strip()}",
        "block-project-ssh-keys": "TRUE",
        "enable-oslogin": "FALSE",
        "enable-guest-attributes": "TRUE",
    }
