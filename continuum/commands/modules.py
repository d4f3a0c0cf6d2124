"""``continuum modules``: the providers, resource managers and applications there are."""

from __future__ import annotations

import argparse
import sys

from continuum.modules import registry


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What the verb takes."""
    parser.add_argument("--options", action="store_true", help="also every key each of them reads")


def execute(options: argparse.Namespace) -> int:
    """One line a module."""
    for kind, name, module in registry.all_modules():
        print(f"{kind.replace('_', ' '):<17} {name:<12} {module.summary}")
        if options.options:
            for option in module.options:
                print(f"    [{option.section}] {option.key}: {option.help}")
    for line in registry.broken():
        print(line, file=sys.stderr)
    return 0
