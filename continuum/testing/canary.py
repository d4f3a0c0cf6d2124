"""A value that shows whether anything evaluates it: as a template, a shell word or a format string."""

from __future__ import annotations

from pathlib import Path


def canary(file: Path, *, one_line: bool = False) -> str:
    """Text that creates a file wherever it is evaluated; it also has quotes and control characters.

    Args:
        file: the file, in a folder whose path has neither blanks nor quotes.
        one_line: leave out the line end, which many values cannot have.
    """
    templates = f"{{{{ lookup('pipe', 'touch {file}') }}}}{{% set x = 1 %}}"
    shell = f"$(touch {file})`touch {file}`; touch {file} && ${{HOME}} | %s %(x)s {{0}} {{x}}"
    marks = "'\"\\ \x1b[31m\u202e"
    return f"{templates}{shell}{'' if one_line else chr(10)}{marks}"
