"""``continuum check CONFIG...``: report problems of configs without creating anything."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from continuum.commands.run import load_all
from continuum.config.planner import load_modules, make_plan
from continuum.errors import HostError
from continuum.host import facts
from continuum.pipeline.steps import probe


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of ``continuum check``."""
    parser.add_argument("config", nargs="+", type=Path, help="config file")
    parser.add_argument("--no-host", action="store_true", help="check the files only, not this machine")
    parser.add_argument("--json", action="store_true", help="print every value as parsed")


def execute(options: argparse.Namespace) -> int:
    """Check the files, then whether this host can run them."""
    for config in load_all(options.config):
        modules = load_modules(config)
        plan = make_plan(config, modules)
        if not options.no_host:
            problems = probe(modules, plan, facts.read())
            if any(problem.severity == "error" for problem in problems):
                raise HostError(problems)
            for problem in problems:
                print(problem, file=sys.stderr)
        print(json.dumps(config.resolved(), indent=1) if options.json else f"{config.path}: ok")
    return 0
