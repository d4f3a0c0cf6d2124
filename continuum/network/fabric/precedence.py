"""Which link applies between two nodes: the link of a node overrides that of its tier.

Standard library only, because the fabric process uses it as well.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TypeVar

T = TypeVar("T")
End = tuple[str, str]
"""Name and tier of a node."""


def keys(src: End, dst: End) -> Iterator[tuple[str, str]]:
    """The pairs of names under which a link between two nodes may be found, the most specific first."""
    for sender in dict.fromkeys(src):
        for receiver in dict.fromkeys(dst):
            yield sender, receiver


def applicable(links: Mapping[tuple[str, str], T], src: End, dst: End) -> T | None:
    """The link that packets from one node to another take; None if no link is defined for them.

    Args:
        links: by the names of sender and receiver, each a node or a tier.
        src: the node that sends.
        dst: the node that receives.
    """
    return next((links[key] for key in keys(src, dst) if key in links), None)
