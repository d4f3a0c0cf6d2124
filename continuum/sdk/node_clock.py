"""The clock of the node, for a program whose CLOCK_MONOTONIC is another one; standard library only.

In a gVisor sandbox or a virtual machine CLOCK_MONOTONIC starts with the sandbox, while CLOCK_REALTIME follows
that of the node. The difference of both clocks, there and on the node, relates one CLOCK_MONOTONIC to the
other.
"""

from __future__ import annotations

import json
import os
import time

from continuum.sdk import protocol

READINGS = 200


def ahead_ns(node: str) -> int:
    """The node's CLOCK_MONOTONIC minus this program's, in ns; 0 where they are the same clock.

    Args:
        node: name of the node.

    Raises:
        KeyError: the node's clocks were not measured.
    """
    text = os.environ.get(protocol.ENV_WALL_OFFSETS)
    return wall_offset_ns() - int(json.loads(text)[node]) if text else 0


def wall_offset_ns() -> int:
    """CLOCK_REALTIME minus CLOCK_MONOTONIC here, in ns: the quickest of ``READINGS`` readings."""
    readings = []
    for _ in range(READINGS):
        before, wall, after = time.monotonic_ns(), time.time_ns(), time.monotonic_ns()
        readings.append((after - before, wall - (before + after) // 2))
    return min(readings)[1]
