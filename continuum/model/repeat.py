"""Which repeat of its config a run is."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass


@dataclass(frozen=True)
class Repeat:
    """The place of a run among the repeats of its config.

    Attributes:
        number: which repeat, from 1.
        of: number of repeats.
        group: identifier that all repeats of one config in one call of the program share; empty for a run
            that was not repeated.
    """

    number: int = 1
    of: int = 1
    group: str = ""


def seed_of(seed: int, number: int) -> int:
    """The seed of a repeat: the config's own for the first, a hash of seed and number for the others.

    Consecutive seeds would overlap between configs whose seeds are consecutive; 32 bits stay exact in every
    reader of JSON.
    """
    if number == 1:
        return seed
    return int.from_bytes(hashlib.sha256(f"{seed} repeat {number}".encode()).digest()[:4], "big")
