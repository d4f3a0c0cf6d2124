"""``continuum run CONFIG...``: run configs and report their results."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from continuum.config import loader as configs
from continuum.errors import ConfigError, Problem
from continuum.model.config import Config
from continuum.model.result import Result
from continuum.pipeline import progress
from continuum.pipeline import run as pipeline


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of ``continuum run``."""
    parser.add_argument("config", nargs="+", type=Path, help="config file")
    parser.add_argument("--json", action="store_true", help="print the result as JSON instead of a table")
    parser.add_argument(
        "--keep", choices=("never", "on-failure", "always"), help="when to keep the nodes running at the end"
    )
    parser.add_argument("-q", "--quiet", action="store_true", help="show no progress")


def execute(options: argparse.Namespace) -> int:
    """Run the configs one after the other; returns the exit status of the first that failed, or 0."""
    loaded = load_all(options.config)
    results: list[Result] = []
    status = 0
    for config in loaded:
        outcome = pipeline.run(config, progress.choose(options.quiet), keep=options.keep)
        if outcome.result is not None:
            results.append(outcome.result)
            _show(outcome.result, options)
        if outcome.error is not None:
            print(f"{config.path.name}: {outcome.error}", file=sys.stderr)
            status = status or outcome.error.exit_status
            if outcome.error.exit_status == 130:
                break
    if len(results) > 1:
        _compare(results, options)
    return status


def load_all(paths: list[Path]) -> list[Config]:
    """Load all configs; warnings go to standard error.

    Raises:
        ConfigError: at least one config has errors; holds the problems of all of them.
    """
    loaded: list[Config] = []
    problems: list[Problem] = []
    for path in paths:
        try:
            loaded.append(configs.load(path))
        except ConfigError as error:
            problems += error.problems
    if problems:
        raise ConfigError(problems)
    for config in loaded:
        for warning in config.warnings:
            print(warning, file=sys.stderr)
    return loaded


def _show(result: Result, options: argparse.Namespace) -> None:
    if options.json:
        print(json.dumps(result.to_json(), allow_nan=False))
        return
    from continuum.report import terminal

    terminal.show(result)


def _compare(results: list[Result], options: argparse.Namespace) -> None:
    if options.json:
        return
    from continuum.report import comparison

    comparison.show(results, runs_folder(results[-1]))


def runs_folder(result: Result) -> Path:
    """The folder that contains the run directory of a result."""
    return result.directory.parent if result.directory else Path()
