"""What to start on a node; passed to the server as JSON."""

from __future__ import annotations

import json
from typing import NamedTuple


class Request(NamedTuple):
    """A program to start in the namespaces of a node.

    Attributes:
        argv: the program and its arguments; looked up in the ``PATH`` of its environment, on the node.
        environment: its whole environment.
        join: files of control groups, on this host, that it joins by writing ``0``.
        capabilities: numbers of the capabilities that it keeps; None for all.
        in_user_namespace: whether the node has a user namespace of its own.
        new_session: whether it leads a session of its own, without a terminal.
    """

    argv: tuple[str, ...]
    environment: dict[str, str]
    join: tuple[str, ...] = ()
    capabilities: tuple[int, ...] | None = None
    in_user_namespace: bool = False
    new_session: bool = True

    def to_json(self) -> bytes:
        """As JSON."""
        return json.dumps(self._asdict()).encode()
