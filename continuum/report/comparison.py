"""Prints a comparison of runs and writes its plot and page."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TextIO

from rich.console import Console
from rich.text import Text

from continuum.model.result import Result
from continuum.report import compare
from continuum.report.console import console_on, print_item, print_line, print_list, print_table


def show(
    results: Sequence[Result], out_dir: Path | None = None, console: Console | TextIO | None = None
) -> compare.ComparisonPaths | None:
    """Print a comparison and, if a folder is given, write its plot and page there.

    Raises:
        UsageError: fewer than two runs have completed requests, or their applications differ.
    """
    comparison = compare.compare(results)
    paths = compare.write(comparison, out_dir) if out_dir else None
    out = console_on(console)
    _print(out, comparison, [paths.plot, paths.html] if paths else [])
    return paths


def _print(out: Console, comparison: compare.Comparison, files: Iterable[Path]) -> None:
    """Print a comparison, after the reasons against it."""
    for title, lines in (("NOT COMPARABLE", comparison.doubts), ("Omitted", comparison.left_out)):
        if lines:
            print_line(out, Text(title, style="bold red"))
        for line in lines:
            print_item(out, line, "red")
    print_table(out, compare.table(comparison))
    print_table(out, compare.stage_table(comparison))
    out.print()
    print_line(out, Text(comparison.verdict, style="bold"))
    print_list(out, "Files", [str(path) for path in files])
