"""The tree of exceptions; each class defines the exit status of the command line.

    ContinuumError                 1
    ├── UsageError                 2   the command line is invalid
    ├── ConfigError                2   the config file has problems; carries all of them
    ├── HostError                  3   this machine does not meet a requirement
    ├── ProvisionError             4   a node or a link could not be created
    │   └── LeftBehindError                resources could not be removed; lists them
    ├── DeployError                5   software could not be installed or started
    ├── BenchmarkError             6   the application did not finish
    ├── InvalidRunError            7   the run finished, but its result is invalid
    ├── InterruptedRunError      130   SIGINT, SIGTERM, SIGHUP or SIGQUIT
    └── ConnectionFailure          5   a node is unreachable
        ├── CommandFailed              a command on a node exited with a non-zero status
        └── CommandTimeout             a command on a node timed out

Only ``continuum.cli`` converts them to exit statuses.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

SHOWN_CHARACTERS = 200
"""Longest value of a config that is shown whole in a message."""


@dataclass(frozen=True)
class Problem:
    """A problem of a config file or of a host, with its remedy.

    Attributes:
        message: what is wrong and how to fix it.
        file: name of the config file as the user gave it; empty for a problem of the host.
        line: line in ``file``, counted from 1; 0 if the problem has no line.
        section: section of the key, without brackets.
        key: the key as written in the file.
        value: the value as written in the file.
        severity: an ``error`` ends the run before anything is created, a ``warning`` does not.
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
    """Base class of all errors with a message for the user."""

    exit_status: ClassVar[int] = 1


class UsageError(ContinuumError):
    """The command line is invalid."""

    exit_status = 2


class ConfigError(ContinuumError):
    """A config file has problems.

    Attributes:
        problems: all problems, including warnings, in the order of their lines.
    """

    exit_status = 2

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


class HostError(ContinuumError):
    """This machine does not meet a requirement.

    Attributes:
        problems: the missing requirements, each with the command that fixes it.
    """

    exit_status = 3

    def __init__(self, problems: Sequence[Problem] | str) -> None:
        if isinstance(problems, str):
            problems = (Problem(problems),)
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


class ProvisionError(ContinuumError):
    """A node or a link could not be created."""

    exit_status = 4


class LeftBehindError(ProvisionError):
    """Some resources of a run could not be removed; the others are.

    Attributes:
        left: one line for each remaining resource, beginning with its location.
    """

    def __init__(self, message: str, left: Sequence[str]) -> None:
        self.left = tuple(left)
        super().__init__(message)


class DeployError(ContinuumError):
    """Software could not be installed on a node, or a workload could not be started."""

    exit_status = 5


class BenchmarkError(ContinuumError):
    """The application did not finish, or left nothing to analyse."""

    exit_status = 6


class InvalidRunError(ContinuumError):
    """The run finished, but its result is invalid."""

    exit_status = 7


class InterruptedRunError(ContinuumError):
    """SIGINT, SIGTERM, SIGHUP or SIGQUIT ended the run, and teardown is complete."""

    exit_status = 130


class ConnectionFailure(ContinuumError):
    """A node is unreachable, or a command on it failed."""

    exit_status = 5


class CommandFailed(ConnectionFailure):
    """A command on a node exited with a non-zero status.

    Attributes:
        node: the node's name.
        argv: the command.
        status: its exit status; negative for the signal that killed it.
        stderr: its standard error.
    """

    def __init__(self, node: str, argv: Sequence[str], status: int, stderr: str) -> None:
        self.node, self.argv, self.status, self.stderr = node, tuple(argv), status, stderr
        tail = stderr.strip().splitlines()[-5:]
        super().__init__(
            f"{node}: {' '.join(argv)}: exit status {status}" + "".join(f"\n  {line}" for line in tail)
        )


class CommandTimeout(ConnectionFailure):
    """A command on a node timed out and was killed.

    Attributes:
        node: the node's name.
        argv: the command.
        timeout_s: the time-out in seconds.
    """

    def __init__(self, node: str, argv: Sequence[str], timeout_s: float) -> None:
        self.node, self.argv, self.timeout_s = node, tuple(argv), timeout_s
        super().__init__(f"{node}: {' '.join(argv)}: timed out after {timeout_s:g} s")
