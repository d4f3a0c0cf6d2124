"""How far the two clocks of a node are apart: CLOCK_REALTIME and CLOCK_MONOTONIC.

Events of a run are readings of CLOCK_MONOTONIC. Timestamps of Kubernetes, of gateways, and of pods whose
runtime has a CLOCK_MONOTONIC of its own are related to it through CLOCK_REALTIME.
"""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from continuum.connection import Connection
from continuum.errors import DeployError

PARALLEL = 16
_TIMEOUT_S = 60.0
_READINGS = 200
_READ = f"""
import time
best = None
for _ in range({_READINGS}):
    before = time.monotonic_ns(); wall = time.time_ns(); after = time.monotonic_ns()
    if best is None or after - before < best[0]:
        best = after - before, wall - (before + after) // 2
print(*best)
"""


@dataclass(frozen=True)
class WallOffset:
    """CLOCK_REALTIME minus CLOCK_MONOTONIC of a node.

    Attributes:
        offset_ns: the difference in ns.
        error_ns: largest possible error.
    """

    offset_ns: int
    error_ns: int = 0


def wall_offsets(ways: Mapping[str, Connection], pythons: Mapping[str, str]) -> dict[str, WallOffset]:
    """The difference of the two clocks of each node, by its name.

    Args:
        ways: the connection to each node.
        pythons: the interpreter of each node.

    Raises:
        DeployError: a node's interpreter prints something else.
    """

    def read(name: str) -> WallOffset:
        argv = [pythons[name], "-I", "-S", "-c", _READ]
        printed = ways[name].run(argv, timeout=_TIMEOUT_S).stdout
        try:
            took_ns, offset_ns = map(int, printed.split())
        except ValueError as error:
            raise DeployError(f"{name}: its clocks cannot be read: {printed[:200]!r}") from error
        return WallOffset(offset_ns, took_ns)

    with ThreadPoolExecutor(PARALLEL) as pool:
        return dict(zip(ways, pool.map(read, ways), strict=True))
