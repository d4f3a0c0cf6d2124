"""A table of text that the terminal and the page lay out."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Row:
    """One row of a table.

    Attributes:
        cells: as many as the table has columns.
        ok: False for a row that says something is wrong, None where that is no question.
        share: what part of the whole it is, 0 to 1, to be drawn as a bar.
        stage: the stage it stands for, which has a colour of its own.
        strong: whether it is the row that matters most.
    """

    cells: tuple[str, ...]
    ok: bool | None = None
    share: float | None = None
    stage: str = ""
    strong: bool = False


@dataclass(frozen=True)
class Table:
    """A table: its first column is text, the others are numbers.

    Attributes:
        title: what it is about.
        columns: the heads, with units.
        rows: the rows.
        extra: columns that a narrow page can do without.
        text: columns besides the first that are text.
    """

    title: str
    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    extra: frozenset[str] = frozenset()
    text: frozenset[str] = frozenset()
