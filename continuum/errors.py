"""What can go wrong, as one tree; the leaf decides the exit status.

    ContinuumError                 1
    ├── UsageError                 2   the command line makes no sense
    ├── ConfigError                2   the config file has problems (all of them are carried)
    ├── HostError                  3   this machine cannot do what is asked
    ├── ProvisionError             4   a node or a link could not be made
    │   └── LeftBehindError            ... or not be removed; names what is where
    ├── DeployError                5   software could not be installed or started
    ├── BenchmarkError             6   the application did not come to an end
    ├── InvalidRunError            7   finished, but the numbers must not be believed
    ├── InterruptedRunError      130   SIGINT or SIGTERM
    └── ConnectionFailure          5   a node could not be reached
        ├── CommandFailed              a command on a node ended with another status than 0
        └── CommandTimeout             a command on a node outlived its deadline

Only ``continuum.cli`` turns these into exit statuses.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

SHOWN_CHARACTERS = 200
"""Longest value of a config that is shown whole in a message."""


@dataclass(frozen=True)
class Problem:
    """One thing wrong with a config file or a host, with its remedy.

    Attributes:
        message: what is wrong and what to write instead.
        file: name of the config file as the user gave it; empty for a problem of the host.
        line: line in ``file``, counted from 1; 0 when no line is to blame.
        section: section of the key, without brackets.
        key: the key as written in the file.
        value: the value as written in the file.
        severity: an ``error`` stops before anything is created, a ``warning`` is shown.
    """

    message: str
    file: str = ""
    line: int = 0
    section: str = ""
    key: str = ""
    value: str | None = None
    severity: Literal["error", "warning"] = "error"

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}: " if self.line else f"{self.file}: " if self.file else ""
        what = f"[{self.section}] " if self.section else ""
        if self.key:
            what += self.key
            if self.value is not None:
                what += f' = "{_shortened(self.value)}"'
            what += ": "
        kind = "warning: " if self.severity == "warning" else ""
        return printable(f"{where}{kind}{what}{self.message}")


def printable(text: str) -> str:
    """Text that is safe to print: escapes control and formatting characters, except line ends."""
    return "".join(
        char if char.isprintable() or char == "\n" else char.encode("unicode_escape").decode()
        for char in text
    )


def _shortened(value: str) -> str:
    """A value, cut where it would fill the screen."""
    return value if len(value) <= SHOWN_CHARACTERS else f"{value[:SHOWN_CHARACTERS]}..."


class ContinuumError(Exception):
    """Anything this tool refuses or fails at, said in words for its user."""

    exit_status: ClassVar[int] = 1


class UsageError(ContinuumError):
    """The command line makes no sense."""

    exit_status = 2


class ConfigError(ContinuumError):
    """A config file has problems; all of them at once.

    Attributes:
        problems: every problem found, warnings included, in the order of their lines.
    """

    exit_status = 2

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


class HostError(ContinuumError):
    """This machine cannot do what is asked.

    Attributes:
        problems: what is lacking, each with the command that mends it.
    """

    exit_status = 3

    def __init__(self, problems: Sequence[Problem] | str) -> None:
        if isinstance(problems, str):
            problems = (Problem(problems),)
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


class ProvisionError(ContinuumError):
    """A node or a link could not be made."""

    exit_status = 4


class LeftBehindError(ProvisionError):
    """Some of what a run owns could not be removed; everything else is gone.

    Attributes:
        left: what is still there, one line each, beginning with where.
    """

    def __init__(self, message: str, left: Sequence[str]) -> None:
        self.left = tuple(left)
        super().__init__(message)


class DeployError(ContinuumError):
    """Software could not be installed on a node, or a workload could not be started."""

    exit_status = 5


class BenchmarkError(ContinuumError):
    """The application did not come to an end, or left nothing to analyse."""

    exit_status = 6


class InvalidRunError(ContinuumError):
    """The run came to its end, but something makes its numbers unfit for use."""

    exit_status = 7


class InterruptedRunError(ContinuumError):
    """SIGINT or SIGTERM ended the run; everything was torn down."""

    exit_status = 130


class ConnectionFailure(ContinuumError):
    """A node could not be reached, or a command on it failed."""

    exit_status = 5


class CommandFailed(ConnectionFailure):
    """A command on a node ended with another status than 0.

    Attributes:
        node: the node's name.
        argv: the command.
        status: its exit status; negative for the signal that killed it.
        stderr: what it printed to standard error.
    """

    def __init__(self, node: str, argv: Sequence[str], status: int, stderr: str) -> None:
        self.node, self.argv, self.status, self.stderr = node, tuple(argv), status, stderr
        tail = stderr.strip().splitlines()[-5:]
        super().__init__(
            f"{node}: {' '.join(argv)}: exit status {status}" + "".join(f"\n  {line}" for line in tail)
        )


class CommandTimeout(ConnectionFailure):
    """A command on a node outlived its deadline and was ended.

    Attributes:
        node: the node's name.
        argv: the command.
        timeout_s: the deadline it had.
    """

    def __init__(self, node: str, argv: Sequence[str], timeout_s: float) -> None:
        self.node, self.argv, self.timeout_s = node, tuple(argv), timeout_s
        super().__init__(f"{node}: {' '.join(argv)}: no end within {timeout_s:g} s")
