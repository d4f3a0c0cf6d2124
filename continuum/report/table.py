"""A table of text that the terminal and the page lay out."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Row:
    """One row of a table.

    Attributes:
        cells: as many as the table has columns.
        ok: False if the row reports a problem; None if that does not apply.
        share: share of the whole, 0 to 1, shown as a bar.
        stage: the stage that determines its colour.
        strong: whether to emphasise it.
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
        title: its title.
        columns: headings with units.
        rows: its rows.
        extra: columns that a narrow terminal leaves out.
        text: further columns with text.
    """

    title: str
    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    extra: frozenset[str] = frozenset()
    text: frozenset[str] = frozenset()
