"""Prints a result as tables; in colour on a terminal."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TextIO

from rich.console import Console
from rich.table import Table as RichTable
from rich.text import Text

from continuum.measure import speed_curve
from continuum.model.benchmark import Benchmark
from continuum.model.result import Result
from continuum.report import formats, palette, setup_tables, view
from continuum.report.console import (
    console_on,
    encodable,
    print_item,
    print_line,
    print_list,
    print_table,
    print_title,
)


def show(
    result: Result, console: Console | TextIO | None = None, files: Iterable[Path] | None = None
) -> None:
    """Print a result.

    Args:
        result: the result.
        console: the output; by default standard output. Only terminals show colours.
        files: files to list at the end; by default the plots and the page in the run directory.
    """
    out = console_on(console)
    _verdict(out, result)
    if result.nodes:
        print_table(out, view.tiers(result))
    if result.fidelity.processors:
        print_table(out, view.processors(result))
    if result.network:
        print_table(out, view.links(result))
    if result.benchmark:
        _benchmark(out, result.benchmark, speed_curve.remarks(result.fidelity.processors))
    if result.lifecycle:
        print_table(out, setup_tables.instances(result.lifecycle))
    if result.simulated:
        print_table(out, setup_tables.instances(result.simulated, setup_tables.SIMULATED))
    if result.manager_latency:
        print_table(out, setup_tables.manager_latency(result))
    if result.deliveries:
        print_table(out, setup_tables.deliveries(result))
    if result.installation:
        print_table(out, setup_tables.installation(result))
    _phases(out, result)
    print_list(out, "Notes", result.notes)
    written = _written(result.directory) if files is None else files
    print_list(out, "Files", [str(path) for path in written])


def _written(run_dir: Path | None) -> list[Path]:
    """The existing plots and the page of a run."""
    if run_dir is None:
        return []
    return [*sorted((run_dir / "plots").glob("*.png")), *run_dir.glob("report.html")]


def _verdict(out: Console, result: Result) -> None:
    print_line(out, Text(f"Run {result.run_id}", style="bold"))
    print_line(out, Text(view.headline(result), style="dim"))
    reasons = view.complaints(result)
    if reasons:
        print_line(out, Text(view.verdict(result), style="bold red"))
    for reason in reasons:
        print_item(out, reason, "red")


def _benchmark(out: Console, bench: Benchmark, remarks: Iterable[str]) -> None:
    if bench.end_to_end_ms.count:
        print_table(out, view.stages(bench), palette.of(bench.stages))
        for remark in remarks:
            print_item(out, remark, "red")
    grid = RichTable.grid(padding=(0, 2))
    for _ in range(3):
        grid.add_column(overflow="fold")
    for name, value, explanation in view.figures(bench):
        grid.add_row(f"  {name}", Text(value, style="bold"), Text(encodable(out, explanation), style="dim"))
    print_title(out, "Requests")
    out.print(grid)


def _phases(out: Console, result: Result) -> None:
    phases = [phase for phase in view.phases(result) if phase[1] != "not_run"]
    if not phases:
        return
    print_title(out, f"Phases, {formats.seconds(sum(taken for _, _, taken in phases))} in total")
    mark = {"failed": " FAILED"}
    said = [f"{name} {formats.seconds(taken)}{mark.get(status, '')}" for name, status, taken in phases]
    for line in _filled([f"{part}," for part in said[:-1]] + said[-1:], out.width - 2):
        print_line(out, Text(f"  {line}"))


def _filled(parts: Sequence[str], width: int) -> list[str]:
    """Join parts with blanks into lines of at most ``width``, without breaking a part."""
    lines: list[str] = []
    for part in parts:
        if lines and len(lines[-1]) + 1 + len(part) <= width:
            lines[-1] += f" {part}"
        else:
            lines.append(part)
    return lines
