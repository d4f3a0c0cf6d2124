"""``continuum run CONFIG...``: run configs, each as often as it says, and report their results."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from continuum.commands import repeats
from continuum.config import loader as configs
from continuum.errors import ConfigError, InterruptedRunError, Problem, UsageError
from continuum.model.config import Config
from continuum.model.result import Result
from continuum.pipeline import progress
from continuum.pipeline import run as pipeline
from continuum.pipeline.progress import Progress


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of ``continuum run``."""
    parser.add_argument("config", nargs="+", type=Path, help="config file")
    parser.add_argument("--json", action="store_true", help="print the result as JSON instead of a table")
    parser.add_argument(
        "--keep", choices=("never", "on-failure", "always"), help="when to keep the nodes running at the end"
    )
    parser.add_argument("-q", "--quiet", action="store_true", help="show no progress")


def execute(options: argparse.Namespace) -> int:
    """Run the configs, repeats in turns; returns the exit status of the first run that failed, or 0.

    A run that fails does not keep the others from running, unless it was interrupted.
    """
    results: list[Result] = []
    status = 0
    for config in repeats.interleaved(load_all(options.config)):
        outcome = pipeline.run(config, _progress(config, options), keep=options.keep)
        if outcome.result is not None:
            results.append(outcome.result)
            _show(outcome.result, options)
        if outcome.error is not None:
            print(f"{_title(config)}: {outcome.error}", file=sys.stderr)
            status = status or outcome.error.exit_status
            if isinstance(outcome.error, InterruptedRunError):
                break
    if len(results) > 1:
        status = _compare(results, options, status)
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


def _progress(config: Config, options: argparse.Namespace) -> Progress:
    chosen = progress.choose(options.quiet)
    if config.repeat.of > 1:
        chosen.message(_title(config))
    return chosen


def _title(config: Config) -> str:
    repeat = config.repeat
    return config.path.name + (f", repeat {repeat.number} of {repeat.of}" if repeat.of > 1 else "")


def _show(result: Result, options: argparse.Namespace) -> None:
    if options.json:
        print(json.dumps(result.to_json(), allow_nan=False))
        return
    from continuum.report import terminal

    terminal.show(result)


def _compare(results: list[Result], options: argparse.Namespace, status: int) -> int:
    """Show the comparison; returns the exit status so far, or that of a comparison that is impossible."""
    if options.json:
        return status
    from continuum.report import comparison

    try:
        comparison.show(results, runs_folder(results[-1]))
    except UsageError as error:
        print(error, file=sys.stderr)
        return status or error.exit_status
    return status


def runs_folder(result: Result) -> Path:
    """The folder that contains the run directory of a result."""
    return result.directory.parent if result.directory else Path()
