"""What providers of nodes on this host's kernel have in common: addresses, and the switch between nodes."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Address
from typing import TYPE_CHECKING

from continuum.errors import ProvisionError
from continuum.model.topology import MAX_NODES, NodeSpec

if TYPE_CHECKING:
    from continuum.rundir.run import Run

FIRST_ADDRESS = IPv4Address("10.77.0.1")
"""Address of the first node; the network of a run is its /16, visible in its nodes alone."""


def addresses(specs: Sequence[NodeSpec]) -> dict[str, str]:
    """The address of each node by its name; ProvisionError when a run's network cannot hold them."""
    if len(specs) > MAX_NODES:
        raise ProvisionError(f"{len(specs)} nodes: a run's network holds {MAX_NODES}")
    return {spec.name: str(FIRST_ADDRESS + index) for index, spec in enumerate(specs)}


def start_switch(run: Run) -> bool:
    """Start the fabric if nodes shape what leaves them themselves: it is needed still, to pass packets on.

    Returns:
        Whether they do.
    """
    if run.state().get("engine") != "netem":
        return False
    from continuum.network.engines import FabricEngine

    FabricEngine().prepare(run)
    return True
