"""What an execution model puts between workers and those who ask them, as programs on nodes see it.

Standard library only. An execution model says it by variables in a workload's environment:

- ``CONTINUUM_ADDRESS``, for those who ask: the URL to send requests to, in which ``{host}`` stands for the
  node they would have sent them to otherwise.
- ``CONTINUUM_FRONT``, for workers: JSON with the ``stage`` that requests go through before they arrive, and
  the ``header`` in which the one in front writes when that began, in ns since 1970 on its own clock.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Protocol

ADDRESS = "CONTINUUM_ADDRESS"
FRONT = "CONTINUUM_FRONT"


def url(host: str, port: int) -> str:
    """Where to send requests that are meant for a worker on a node."""
    template = os.environ.get(ADDRESS, "http://{host}:{port}/")
    return template.format(host=host, port=port)


class SupportsGet(Protocol):
    """Headers of a request."""

    def get(self, name: str, /) -> str | None:
        """The value of a header, whatever the case of its name; None without it."""


@dataclass(frozen=True)
class Passed:
    """A stage that a request went through before it arrived.

    Attributes:
        stage: its name.
        began_ns: when it began, on this node's CLOCK_MONOTONIC.
    """

    stage: str
    began_ns: int


@dataclass(frozen=True)
class Front:
    """What stands in front of this worker.

    Attributes:
        stage: name of the stage that requests spend there.
        header: name of the header that says when it began.
        ahead_ns: how far the clock of each node is ahead of that which the header is read from, in ns, by the
            name of the node; nodes that share that clock are not in it.
    """

    stage: str
    header: str
    ahead_ns: Mapping[str, int] = field(default_factory=dict)

    def to_environment(self) -> dict[str, str]:
        """The variable that tells a worker of it."""
        return {FRONT: json.dumps(asdict(self))}

    @classmethod
    def from_environment(cls) -> Front | None:
        """What stands in front of this program; None if nothing."""
        text = os.environ.get(FRONT)
        return cls(**json.loads(text)) if text else None

    def passed(self, headers: SupportsGet, head_ns: int, whole_ns: int) -> Passed | None:
        """When a request began to go through what stands in front; None where that is not known.

        Whoever forwards a request does so while it still arrives: it notes when the head came, and the body
        follows at the pace of the slowest link. So the time of the head in front is the time of the request
        there, and it ends when all of the request is here; what comes before is the way to the front.

        Args:
            headers: of the request.
            head_ns: CLOCK_MONOTONIC when its head arrived here.
            whole_ns: the same of the end of its body.
        """
        try:
            noted_ns = int(headers.get(self.header) or "")
        except ValueError:
            return None
        ahead_ns = self.ahead_ns.get(os.environ.get("CONTINUUM_NODE", ""), 0)
        head_since_1970_ns = head_ns + time.time_ns() - time.monotonic_ns() - ahead_ns
        return Passed(self.stage, whole_ns - (head_since_1970_ns - noted_ns))
