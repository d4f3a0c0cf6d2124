"""The Ansible inventory that a run keeps: its nodes by tier."""

from __future__ import annotations

import json
from collections.abc import Sequence

from continuum.model.node import Node


def text(nodes: Sequence[Node]) -> str:
    """An inventory of the nodes by tier; JSON strings are YAML strings."""
    lines = ["all:", "  children:"]
    for tier in dict.fromkeys(node.tier for node in nodes):
        lines += [f"    {tier}:", "      hosts:"]
        for node in nodes:
            if node.tier == tier:
                lines += [f"        {node.name}:", f"          continuum_address: {json.dumps(node.address)}"]
    return "\n".join(lines) + "\n"
