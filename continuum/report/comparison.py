"""Prints a comparison of runs and writes its plot and page."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TextIO

from rich.console import Console
from rich.text import Text

from continuum.measure.claims import MARGIN
from continuum.model.result import Result
from continuum.report import compare, compare_files, compare_tables
from continuum.report.console import console_on, print_item, print_line, print_list, print_table


def show(
    results: Sequence[Result],
    out_dir: Path | None = None,
    console: Console | TextIO | None = None,
    margin: float = MARGIN,
) -> compare_files.ComparisonPaths | None:
    """Print a comparison and, if a folder is given, write its plot and page there.

    Raises:
        UsageError: fewer than two runs have completed requests, or their applications differ.
    """
    comparison = compare.compare(results, margin)
    paths = compare_files.write(comparison, out_dir) if out_dir else None
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
    for table in compare_tables.tables(comparison):
        print_table(out, table)
    out.print()
    for verdict in comparison.verdicts:
        print_line(out, Text(verdict, style="bold"))
    print_list(out, "Files", [str(path) for path in files])
