"""What the orchestrator tells the keeper, as plain JSON."""

from __future__ import annotations

import json
from typing import NamedTuple

PREFIX_BITS = 16
"""Length of the prefix of the network that all nodes of a run share."""


class NodePlan(NamedTuple):
    """One node to make.

    Attributes:
        name: its name, also its hostname.
        address: its IPv4 address.
    """

    name: str
    address: str


class Plan(NamedTuple):
    """All that the keeper has to know.

    Attributes:
        run_id: the run the nodes belong to.
        directory: the run's directory on the host.
        nodes: the nodes to make.
        overlaid: folders of the host, outer ones first, whose content a node may change for itself: ``/``
            and other mount points, or with ``as_user`` the folders below ``/`` that can be overlaid.
        attached: further mount points that a node sees read-only; with ``as_user`` the other folders
            below ``/``, with what is mounted in them.
        links: symbolic links in ``/`` to make, each with its target; only with ``as_user``.
        shown: other paths of the host a node sees read-only; missing mount points are made.
        as_user: whether a user namespace is needed.
        workers: processes that make nodes side by side.
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
    def from_json(cls, text: str) -> Plan:
        """The plan that ``to_json`` wrote."""
        fields = json.loads(text)
        fields["nodes"] = tuple(NodePlan(*node) for node in fields["nodes"])
        fields["links"] = tuple((path, target) for path, target in fields["links"])
        for name in ("overlaid", "attached", "shown"):
            fields[name] = tuple(fields[name])
        return cls(**fields)
