"""Prints tables, titles and lists; plain text without colours if the output is not a terminal."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from typing import TextIO

from rich import box
from rich.console import Console, JustifyMethod
from rich.table import Table as RichTable
from rich.text import Text

from continuum.report.table import Row, Table

PLAIN_WIDTH = 100
"""Width if the output is not a terminal and COLUMNS is not set."""


NARROW = 110
"""Below this width, tables leave out their extra columns."""


BAR = 24


_ASCII = str.maketrans({"±": "+-", "→": "->", "█": "#", "─": "-", "…": ".", "·": "|"})


def console_on(target: Console | TextIO | None = None) -> Console:
    """A console on a stream, by default standard output: in colour on a terminal, otherwise plain."""
    if isinstance(target, Console):
        return target
    stream = target or sys.stdout
    width = None if stream.isatty() or "COLUMNS" in os.environ else PLAIN_WIDTH
    return Console(file=stream, width=width, highlight=False, markup=False, emoji=False)


def print_table(out: Console, table: Table, colours: Mapping[str, str] | None = None) -> None:
    """Print a table; with ``colours`` by stage, each row shows its share as a bar if there is room."""
    print_title(out, table.title)
    shown = [i for i, name in enumerate(table.columns) if out.width >= NARROW or name not in table.extra]
    grid = RichTable(box=box.SIMPLE_HEAD, collapse_padding=True, show_edge=False, header_style="dim")
    for index in shown:
        name = table.columns[index]
        right = index > 0 and name not in table.text
        justify: JustifyMethod = "right" if right else "left"
        grid.add_column(encodable(out, name), justify=justify, overflow="fold", no_wrap=right)
    bar = _room_for_bar(out, table, shown) if colours else 0
    if bar:
        grid.add_column("", no_wrap=True)
    for row in table.rows:
        style = "bold" if row.strong else "red" if row.ok is False else ""
        cells: list[Text] = [Text(encodable(out, row.cells[index])) for index in shown]
        if bar:
            cells.append(_bar(out, row, bar, colours or {}))
        grid.add_row(*cells, style=style)
    out.print(grid)


def _room_for_bar(out: Console, table: Table, shown: Sequence[int]) -> int:
    """Length of bars beside the shown columns; 0 if there is no room."""
    texts = [table.columns, *(row.cells for row in table.rows)]
    taken = sum(max(len(encodable(out, line[index])) for line in texts) + 2 for index in shown)
    room = min(BAR, out.width - taken - 3)
    return room if room >= 6 else 0


def _bar(out: Console, row: Row, length: int, colours: Mapping[str, str]) -> Text:
    """The bar for the row's share; the row of the total has none."""
    if row.strong or not row.share:
        return Text("")
    blocks = max(0, min(length, round(row.share * length)))
    return Text(encodable(out, "█" * blocks), style=colours.get(row.stage, ""))


def print_list(out: Console, title: str, lines: Sequence[str]) -> None:
    """Print a title and one item per line; nothing if there are no lines."""
    if lines:
        print_title(out, title)
    for line in lines:
        print_item(out, line)


def print_title(out: Console, title: str) -> None:
    """Print an empty line and a title."""
    out.print()
    print_line(out, Text(title, style="bold"))


def print_line(out: Console, text: Text) -> None:
    """Print one line, wrapped only on a terminal."""
    out.print(Text(encodable(out, text.plain), style=text.style), soft_wrap=not out.is_terminal)


def print_item(out: Console, line: str, style: str = "") -> None:
    """Print one indented line, never wrapped."""
    # Without wrapping, paths and reasons can be copied and searched for.
    out.print(Text(f"  {encodable(out, line)}", style=style), soft_wrap=True)


def encodable(out: Console, text: str) -> str:
    """The text, converted to ASCII if the stream supports nothing else."""
    if out.encoding.startswith("utf"):
        return text
    return text.translate(_ASCII).encode("ascii", "replace").decode()
