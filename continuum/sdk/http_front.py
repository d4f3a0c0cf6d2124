"""The proxy that an execution model may put in front of workers, as programs on nodes see it.

Standard library only. An execution model sets variables in the environment of workloads:

- ``protocol.ENV_ADDRESS`` for clients: the URL template for requests; ``{host}`` is replaced by the name of
  the worker's node.
- ``protocol.ENV_FRONT`` for workers: a ``Front`` as JSON.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Protocol

from continuum.sdk import protocol


def url(host: str, port: int) -> str:
    """The URL for requests to a worker on node ``host``, through the proxy if there is one."""
    template = os.environ.get(protocol.ENV_ADDRESS, "http://{host}:{port}/")
    return template.format(host=host, port=port)


class SupportsGet(Protocol):
    """Headers of a request."""

    def get(self, name: str, /) -> str | None:
        """The value of a header, by its case-insensitive name; None if absent."""


@dataclass(frozen=True)
class Passed:
    """A stage that a request went through before it reached the worker.

    Attributes:
        stage: its name.
        began_ns: its begin on this node's CLOCK_MONOTONIC.
    """

    stage: str
    began_ns: int


@dataclass(frozen=True)
class Front:
    """The proxy in front of a worker.

    Attributes:
        stage: name of the stage that requests spend in the proxy.
        header: request header in which the proxy writes the begin of that stage, in ns since 1970 on its
            own clock.
        ahead_ns: by name of a node, how far its clock is ahead of the proxy's, in ns. Nodes that share the
            proxy's clock are left out.
    """

    stage: str
    header: str
    ahead_ns: Mapping[str, int] = field(default_factory=dict)

    def to_environment(self) -> dict[str, str]:
        """The variable that describes this proxy to a worker."""
        return {protocol.ENV_FRONT: json.dumps(asdict(self))}

    @classmethod
    def from_environment(cls) -> Front | None:
        """The proxy in front of this program; None if there is none."""
        text = os.environ.get(protocol.ENV_FRONT)
        return cls(**json.loads(text)) if text else None

    def passed(self, headers: SupportsGet, head_ns: int, whole_ns: int) -> Passed | None:
        """The stage that a request spent in the proxy; None if its begin is unknown.

        A proxy forwards a request while it is still receiving it: it notes the arrival of the header, and the
        body follows at the pace of the slowest link. The time in the proxy is therefore the time between both
        arrivals of the header, and it is counted up to the arrival of the whole request here.

        Args:
            headers: of the request.
            head_ns: CLOCK_MONOTONIC when the header arrived here.
            whole_ns: CLOCK_MONOTONIC when the end of the body arrived here.
        """
        try:
            noted_ns = int(headers.get(self.header) or "")
        except ValueError:
            return None
        ahead_ns = self.ahead_ns.get(os.environ.get(protocol.ENV_NODE, ""), 0)
        head_since_1970_ns = head_ns + time.time_ns() - time.monotonic_ns() - ahead_ns
        return Passed(self.stage, whole_ns - (head_since_1970_ns - noted_ns))
