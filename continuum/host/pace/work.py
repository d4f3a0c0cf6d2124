"""A fixed amount of work, to compare speeds with: CPU time does not say how much was done in it.

It is hashing, since its speed depends little on what else a core's other hardware thread does.
"""

from __future__ import annotations

import hashlib

_DATA = bytes(range(256)) * 64


def work(units: int) -> None:
    """Do so many units of work, of 10 to 50 us each."""
    for _ in range(units):
        hashlib.sha256(_DATA).digest()
