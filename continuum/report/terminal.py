"""The result as tables on a terminal; plain text without colours anywhere else."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from rich import box
from rich.console import Console, JustifyMethod
from rich.table import Table as RichTable
from rich.text import Text

from continuum.model.result import Benchmark, Result
from continuum.report import palette, view

if TYPE_CHECKING:
    from continuum.report.compare import Comparison

PLAIN_WIDTH = 100
"""Columns where the output is no terminal and COLUMNS is not set."""

NARROW = 110
"""Below this many columns a table goes without what it can do without."""

BAR = 24

_ASCII = str.maketrans({"±": "+-", "→": "->", "█": "#", "─": "-", "…": ".", "·": "|"})


def show(
    result: Result, console: Console | TextIO | None = None, files: Iterable[Path] | None = None
) -> None:
    """Print a result.

    Args:
        result: what to print.
        console: where to; standard output by default. Colours are used on a terminal only.
        files: what to name at the end; by default the plots and the page in the run directory.
    """
    out = console_on(console)
    _verdict(out, result)
    if result.nodes:
        _table(out, view.tiers(result))
    if result.network:
        _table(out, view.links(result))
    if result.benchmark:
        _benchmark(out, result.benchmark)
    if result.lifecycle:
        _table(out, view.lives(result.lifecycle))
    if result.simulated:
        _table(out, view.lives(result.simulated, view.SIMULATED))
    if result.manager_latency:
        _table(out, view.manager_latency(result))
    if result.deliveries:
        _table(out, view.deliveries(result))
    if result.installation:
        _table(out, view.installation(result))
    _phases(out, result)
    _list(out, "Notes", result.notes)
    written = _written(result.directory) if files is None else files
    _list(out, "Files", [str(path) for path in written])


def console_on(target: Console | TextIO | None = None) -> Console:
    """A console on a stream, standard output by default: in colour on a terminal, plain elsewhere."""
    if isinstance(target, Console):
        return target
    stream = target or sys.stdout
    width = None if stream.isatty() or "COLUMNS" in os.environ else PLAIN_WIDTH
    return Console(file=stream, width=width, highlight=False, markup=False, emoji=False)


def show_comparison(out: Console, comparison: Comparison, files: Iterable[Path] = ()) -> None:
    """Print runs side by side, whatever stands against comparing them first."""
    from continuum.report import compare

    for title, lines in (("NOT COMPARABLE", comparison.doubts), ("Left out", comparison.left_out)):
        if lines:
            _line(out, Text(title, style="bold red"))
        for line in lines:
            _item(out, line, "red")
    _table(out, compare.table(comparison))
    _table(out, compare.stage_table(comparison))
    out.print()
    _line(out, Text(comparison.verdict, style="bold"))
    _list(out, "Files", [str(path) for path in files])


def _written(run_dir: Path | None) -> list[Path]:
    """The plots and the page of a run, as far as there are any."""
    if run_dir is None:
        return []
    return [*sorted((run_dir / "plots").glob("*.png")), *run_dir.glob("report.html")]


def _verdict(out: Console, result: Result) -> None:
    _line(out, Text(f"Run {result.run_id}", style="bold"))
    _line(out, Text(view.headline(result), style="dim"))
    reasons = view.complaints(result)
    if reasons:
        _line(out, Text(view.verdict(result), style="bold red"))
    for reason in reasons:
        _item(out, reason, "red")


def _benchmark(out: Console, bench: Benchmark) -> None:
    if bench.end_to_end_ms.count:
        _table(out, view.stages(bench), palette.of(bench.stages))
    grid = RichTable.grid(padding=(0, 2))
    for _ in range(3):
        grid.add_column(overflow="fold")
    for name, value, explanation in view.figures(bench):
        grid.add_row(f"  {name}", Text(value, style="bold"), Text(_plain(out, explanation), style="dim"))
    _title(out, "Requests")
    out.print(grid)


def _table(out: Console, table: view.Table, colours: Mapping[str, str] | None = None) -> None:
    _title(out, table.title)
    shown = [i for i, name in enumerate(table.columns) if out.width >= NARROW or name not in table.extra]
    grid = RichTable(box=box.SIMPLE_HEAD, collapse_padding=True, show_edge=False, header_style="dim")
    for index in shown:
        name = table.columns[index]
        right = index > 0 and name not in table.text
        justify: JustifyMethod = "right" if right else "left"
        grid.add_column(_plain(out, name), justify=justify, overflow="fold", no_wrap=right)
    bar = _room_for_bar(out, table, shown) if colours else 0
    if bar:
        grid.add_column("", no_wrap=True)
    for row in table.rows:
        style = "bold" if row.strong else "red" if row.ok is False else ""
        cells: list[Text] = [Text(_plain(out, row.cells[index])) for index in shown]
        if bar:
            cells.append(_bar(out, row, bar, colours or {}))
        grid.add_row(*cells, style=style)
    out.print(grid)


def _room_for_bar(out: Console, table: view.Table, shown: Sequence[int]) -> int:
    """How long bars may be beside the columns that are shown; 0 for not at all."""
    texts = [table.columns, *(row.cells for row in table.rows)]
    taken = sum(max(len(_plain(out, line[index])) for line in texts) + 2 for index in shown)
    room = min(BAR, out.width - taken - 3)
    return room if room >= 6 else 0


def _bar(out: Console, row: view.Row, length: int, colours: Mapping[str, str]) -> Text:
    """The row's share of the whole; the whole itself needs none."""
    if row.strong or not row.share:
        return Text("")
    blocks = max(0, min(length, round(row.share * length)))
    return Text(_plain(out, "█" * blocks), style=colours.get(row.stage, ""))


def _phases(out: Console, result: Result) -> None:
    phases = [phase for phase in view.phases(result) if phase[1] != "not_run"]
    if not phases:
        return
    _title(out, f"Phases, {view.seconds(sum(taken for _, _, taken in phases))} in all")
    mark = {"failed": " FAILED"}
    said = [f"{name} {view.seconds(taken)}{mark.get(status, '')}" for name, status, taken in phases]
    for line in _filled([f"{part}," for part in said[:-1]] + said[-1:], out.width - 2):
        _line(out, Text(f"  {line}"))


def _filled(parts: Sequence[str], width: int) -> list[str]:
    """Parts joined by blanks into lines of at most ``width``, no part broken."""
    lines: list[str] = []
    for part in parts:
        if lines and len(lines[-1]) + 1 + len(part) <= width:
            lines[-1] += f" {part}"
        else:
            lines.append(part)
    return lines


def _list(out: Console, title: str, lines: Sequence[str]) -> None:
    if lines:
        _title(out, title)
    for line in lines:
        _item(out, line)


def _title(out: Console, title: str) -> None:
    out.print()
    _line(out, Text(title, style="bold"))


def _line(out: Console, text: Text) -> None:
    out.print(Text(_plain(out, text.plain), style=text.style), soft_wrap=not out.is_terminal)


def _item(out: Console, line: str, style: str = "") -> None:
    # Soft wrapping leaves paths and reasons in one piece, to be copied or searched for.
    out.print(Text(f"  {_plain(out, line)}", style=style), soft_wrap=True)


def _plain(out: Console, text: str) -> str:
    """The text, spelled in ASCII where the stream knows nothing else."""
    if out.encoding.startswith("utf"):
        return text
    return text.translate(_ASCII).encode("ascii", "replace").decode()
