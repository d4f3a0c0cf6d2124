"""Addresses of nodes that share this host's kernel, and the switch between them."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Address
from typing import TYPE_CHECKING

from continuum.errors import ProvisionError
from continuum.model.topology import MAX_NODES, NodeSpec

if TYPE_CHECKING:
    from continuum.rundir.run import Run

FIRST_ADDRESS = IPv4Address("10.77.0.1")
"""Address of the first node; the network of a run is its /16, which only its nodes can see."""


def addresses(specs: Sequence[NodeSpec]) -> dict[str, str]:
    """The address of each node by its name; ProvisionError if there are too many nodes."""
    if len(specs) > MAX_NODES:
        raise ProvisionError(f"{len(specs)} nodes: a run can have at most {MAX_NODES}")
    return {spec.name: str(FIRST_ADDRESS + index) for index, spec in enumerate(specs)}


def start_switch(run: Run) -> bool:
    """Start the fabric as an unshaped switch if the nodes shape their own egress with netem.

    Returns:
        Whether it was started.
    """
    if run.state().get("engine") != "netem":
        return False
    from continuum.network.engines import FabricEngine

    FabricEngine().prepare(run)
    return True
