"""``continuum modules``: list the available modules."""

from __future__ import annotations

import argparse
import sys

from continuum.modules import registry


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of ``continuum modules``."""
    parser.add_argument("--options", action="store_true", help="also list the config keys of each module")


def execute(options: argparse.Namespace) -> int:
    """Print one line a module; broken modules go to standard error."""
    for kind, name, module in registry.all_modules():
        print(f"{kind.replace('_', ' '):<17} {name:<12} {module.summary}")
        if options.options:
            for option in module.options:
                print(f"    [{option.section}] {option.key}: {option.help}")
    for line in registry.broken():
        print(line, file=sys.stderr)
    return 0
