"""The plan that the orchestrator passes to the keeper, as plain JSON."""

from __future__ import annotations

import json
from typing import NamedTuple

PREFIX_BITS = 16
"""Prefix length of the network of a run's nodes."""


class NodePlan(NamedTuple):
    """One node to create.

    Attributes:
        name: its name and hostname.
        address: its IPv4 address.
    """

    name: str
    address: str


class KeeperPlan(NamedTuple):
    """The nodes to create, and what they see of the host.

    Attributes:
        run_id: the run the nodes belong to.
        directory: the run's folder on the host.
        nodes: the nodes to create.
        overlaid: folders of the host that a node can change for itself, outer ones first: ``/`` and other
            mount points, or with ``as_user`` the folders below ``/`` that can be overlaid.
        attached: further mount points that a node sees read-only; with ``as_user`` the other folders
            below ``/``, including what is mounted in them.
        links: symbolic links in ``/`` to create, each with its target; only with ``as_user``.
        shown: other paths of the host that a node sees read-only; missing mount points are created.
        as_user: whether a user namespace is needed.
        workers: number of processes that create nodes in parallel.
    """

    run_id: str
    directory: str
    nodes: tuple[NodePlan, ...]
    overlaid: tuple[str, ...] = ("/",)
    attached: tuple[str, ...] = ()
    links: tuple[tuple[str, str], ...] = ()
    shown: tuple[str, ...] = ()
    as_user: bool = False
    workers: int = 2

    def to_json(self) -> str:
        """One line of JSON."""
        return json.dumps(self._asdict())

    @classmethod
    def from_json(cls, text: str) -> KeeperPlan:
        """The plan that ``to_json`` wrote."""
        fields = json.loads(text)
        fields["nodes"] = tuple(NodePlan(*node) for node in fields["nodes"])
        fields["links"] = tuple((path, target) for path, target in fields["links"])
        for name in ("overlaid", "attached", "shown"):
            fields[name] = tuple(fields[name])
        return cls(**fields)
