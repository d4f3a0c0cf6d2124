"""What a run's things are called in a project, so that they are found again; pure.

Google takes lower case, digits and dashes, 63 of them: a digest stands for the run's id in names. Instances
and disks carry the id itself as a label too. Networks, subnetworks and firewalls cannot carry labels there.
"""

from __future__ import annotations

import hashlib
import re
import uuid

PREFIX = "continuum"
RUN_LABEL = "continuum-run"
OWNER_LABEL = "continuum-owner"


def prefix(run_id: str) -> str:
    """How everything of a run begins."""
    return f"{PREFIX}-{hashlib.sha256(run_id.encode()).hexdigest()[:12]}"


def instance(run_id: str, node: str) -> str:
    """The instance of a node."""
    return f"{prefix(run_id)}-{node}"


def network(run_id: str) -> str:
    """The network, and the subnetwork in it."""
    return f"{prefix(run_id)}-net"


def firewalls(run_id: str) -> tuple[str, str]:
    """The rule for logging in, and the one between nodes."""
    return f"{prefix(run_id)}-ssh", f"{prefix(run_id)}-inside"


def label(text: str) -> str:
    """A text as the value of a label."""
    return re.sub(r"[^a-z0-9_-]", "-", text.lower())[:63]


def description(run_id: str, owner: str) -> str:
    """What is written beside everything of a run: the exact id, and whose it is."""
    return f"{RUN_LABEL}={run_id} {OWNER_LABEL}={owner}"


def run_of(text: str, owner: str) -> str | None:
    """The run's id in a description; None in one that is not this owner's."""
    found = re.fullmatch(rf"{RUN_LABEL}=(\S+) {OWNER_LABEL}={owner}", text)
    return found[1] if found else None


def request_id(run_id: str, kind: str, name: str) -> str:
    """Tells the API that a repeated request is the same one."""
    return str(uuid.uuid5(uuid.NAMESPACE_OID, f"{run_id}/{kind}/{name}"))
