"""The runs that configs with ``repeats`` ask for, in the order in which they are done."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timezone
from itertools import zip_longest

from continuum.model.config import Config
from continuum.model.repeat import Repeat, seed_of


def interleaved(configs: Sequence[Config]) -> list[Config]:
    """One config per run: the first repeat of each config, then the second of each, and so on.

    What changes slowly on the host, such as its temperature or its load, then affects all configs alike.
    """
    rounds = zip_longest(*(repeats_of(config) for config in configs))
    return [config for one in rounds for config in one if config is not None]


def repeats_of(config: Config) -> list[Config]:
    """A config for each of its repeats, which differ in their seeds."""
    count = config.run.integer("repeats")
    if count == 1:
        return [config]
    group, seed = _group(config), config.run.integer("seed")
    return [
        replace(
            config,
            run=config.run.with_values({"seed": seed_of(seed, number)}),
            repeat=Repeat(number, count, group),
        )
        for number in range(1, count + 1)
    ]


def _group(config: Config) -> str:
    """A new identifier: time, name of the run, and random digits, since a config may be given twice."""
    stamp = datetime.now(timezone.utc).strftime("%Y%m%d-%H%M%S")
    return f"{stamp}-{config.run.text('name')}-{secrets.token_hex(3)}"
