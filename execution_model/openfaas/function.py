"""The program that a node starts for a function: it executes the watchdog, which starts the given command.

The watchdog reads the command from one variable and splits it at blanks.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

PROGRAM = "of-watchdog"


def environment(command: Sequence[str], given: Mapping[str, str]) -> dict[str, str]:
    """The watchdog's variables; ValueError for a command with a blank in a word."""
    for word in command:
        if not word or any(letter.isspace() for letter in word):
            raise ValueError(f"a watchdog cannot start a command with a blank in it: {word!r}")
    return {**given, "fprocess": " ".join(command)}


def main() -> int:
    """Execute the watchdog; exit status 1 if that is impossible."""
    watchdog = Path.cwd() / PROGRAM
    try:
        os.execve(watchdog, [str(watchdog)], environment(sys.argv[1:], os.environ))
    except (OSError, ValueError) as error:
        print(f"function: {error}", file=sys.stderr, flush=True)
        return 1


if __name__ == "__main__":
    sys.exit(main())
