"""The command line: runs one command and turns errors into exit statuses.

``continuum CONFIG...`` is short for ``continuum run CONFIG...``. Progress and warnings go to standard error,
results to standard output.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import logging
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from continuum.errors import ContinuumError, InterruptedRunError, printable
from continuum.pipeline.recorder import LOGGERS
from continuum.sdk import protocol
from continuum.version import __version__

VERBS = {
    "run": "run one or more configs and report the results; several are compared at the end",
    "check": "check configs and this machine without creating anything",
    "plan": "show what a run would create",
    "up": "create the nodes and links of a config and keep them; prints the id of the run",
    "down": "remove what `up` created",
    "list": "list the runs of this user",
    "exec": "run a command on a node",
    "shell": "open a shell on a node",
    "forward": "forward a local port to a port of a node",
    "link": "show or change links of a running deployment",
    "report": "show the report of a run again, from its folder",
    "compare": "compare runs side by side",
    "destroy": "remove everything that runs left behind",
    "artifacts": "list, check or download the files that a config installs on nodes",
    "image": "build the base image for the nodes of a provider",
    "doctor": "check what this machine can do, and how to fix what is missing",
    "modules": "list the available providers, resource managers, execution models and applications",
}
REQUIRED_PACKAGES = ("jinja2", "matplotlib", "numpy", "rich")


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit status."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    if missing := [name for name in REQUIRED_PACKAGES if importlib.util.find_spec(name) is None]:
        return _without_packages(missing, arguments)
    try:
        return _dispatch(arguments)
    except ContinuumError as error:
        print(printable(str(error) or type(error).__name__), file=sys.stderr)
        return error.exit_status
    except ModuleNotFoundError as error:
        return _without_packages([error.name or str(error)], [])
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return InterruptedRunError.exit_status
    except BrokenPipeError:
        # The reader of standard output is gone; avoid a second error at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def _dispatch(arguments: list[str]) -> int:
    verb, rest = _split(arguments)
    parser = argparse.ArgumentParser(prog=f"continuum {verb}", description=VERBS[verb])
    parser.add_argument("-v", "--verbose", action="store_true", help="show commands and what is done")
    command = importlib.import_module(f"continuum.commands.{verb}")
    command.add_arguments(parser)
    options = parser.parse_args(rest)
    _start_logging(verbose=options.verbose)
    status: int = command.execute(options)
    return status


def _split(arguments: list[str]) -> tuple[str, list[str]]:
    """The command and its arguments; ``run`` if none is named."""
    if not arguments or arguments[0] in {"-h", "--help", "help"}:
        print(_usage())
        raise SystemExit(0 if arguments else 2)
    if arguments[0] == "--version":
        print(f"continuum {__version__}")
        raise SystemExit(0)
    if arguments[0] in VERBS:
        return arguments[0], arguments[1:]
    return "run", arguments


def _usage() -> str:
    lines = [f"  {verb:<9} {summary}" for verb, summary in VERBS.items()]
    return "\n".join(
        [
            "usage: continuum CONFIG...",
            "       continuum COMMAND [options]",
            "",
            "commands:",
            *lines,
            "",
            "`continuum COMMAND --help` shows the options of a command.",
            "exit status: 0 done and valid, 2 usage or config, 3 host requirements, 4 provisioning,",
            "5 install or deploy, 6 benchmark, 7 finished but invalid, 130 interrupted",
        ]
    )


def _start_logging(*, verbose: bool) -> None:
    """Enable the loggers of this program; they write to standard error only with ``--verbose``."""
    for package in LOGGERS:
        logger = logging.getLogger(package)
        logger.setLevel(logging.DEBUG)
        logger.propagate = False
        handler = logging.StreamHandler() if verbose else logging.NullHandler()
        handler.setFormatter(logging.Formatter("+ %(message)s"))
        logger.addHandler(handler)


def _without_packages(missing: Sequence[str], arguments: list[str]) -> int:
    """Restart with the environment of the checkout if there is one, else print the command to run."""
    checkout = Path(__file__).resolve().parent.parent
    python = checkout / ".venv" / "bin" / "python"
    is_checkout = os.access(checkout / "continuum.py", os.R_OK)
    if arguments and is_checkout and os.access(python, os.X_OK) and protocol.ENV_REEXECUTED not in os.environ:
        os.environ[protocol.ENV_REEXECUTED] = "1"
        os.execv(python, [str(python), str(checkout / "continuum.py"), *arguments])
    remedy = f"make -C {checkout} setup" if is_checkout else "pip install continuum-bench"
    what = "package" if len(missing) == 1 else "packages"
    print(f"continuum: Python {what} missing: {', '.join(missing)}; run: {remedy}", file=sys.stderr)
    return 3
