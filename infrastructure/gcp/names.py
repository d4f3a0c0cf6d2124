"""Names and labels of a run's resources, by which they are found again; pure.

Names have at most 63 lower-case letters, digits and dashes, so they contain a digest of the run's id.
Instances and disks have the id as a label, too; networks, subnetworks and firewall rules do not support
labels.
"""

from __future__ import annotations

import hashlib
import re
import uuid

PREFIX = "continuum"
RUN_LABEL = "continuum-run"
OWNER_LABEL = "continuum-owner"


def prefix(run_id: str) -> str:
    """Start of the names of all resources of a run."""
    return f"{PREFIX}-{hashlib.sha256(run_id.encode()).hexdigest()[:12]}"


def instance(run_id: str, node: str) -> str:
    """Name of the instance of a node."""
    return f"{prefix(run_id)}-{node}"


def network(run_id: str) -> str:
    """Name of the network and of its subnetwork."""
    return f"{prefix(run_id)}-net"


def firewalls(run_id: str) -> tuple[str, str]:
    """Names of the firewall rules for logging in and for traffic between nodes."""
    return f"{prefix(run_id)}-ssh", f"{prefix(run_id)}-inside"


def label(text: str) -> str:
    """A text in the form of a label's value."""
    return re.sub(r"[^a-z0-9_-]", "-", text.lower())[:63]


def description(run_id: str, owner: str) -> str:
    """Description of all resources of a run: the exact id, and the owner."""
    return f"{RUN_LABEL}={run_id} {OWNER_LABEL}={owner}"


def run_of(text: str, owner: str) -> str | None:
    """The run's id from a description; None if it has another owner."""
    found = re.fullmatch(rf"{RUN_LABEL}=(\S+) {OWNER_LABEL}={owner}", text)
    return found[1] if found else None


def request_id(run_id: str, kind: str, name: str) -> str:
    """Id of a request, the same for its retries, so that the API executes it once."""
    return str(uuid.uuid5(uuid.NAMESPACE_OID, f"{run_id}/{kind}/{name}"))
