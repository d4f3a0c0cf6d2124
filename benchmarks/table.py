"""The output of benchmarks: rows of figures and bars, as a table and as JSON."""

from __future__ import annotations

import argparse
import json
import platform
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True)
class Row:
    """A figure and its bar.

    Attributes:
        what: what was measured.
        measured: the figure.
        unit: its unit.
        bar: the limit that it is compared with; None if it is only reported.
        at_most: True if the figure must not exceed the bar, False if it must reach it.
        detail: additional text, such as minimum and maximum.
    """

    what: str
    measured: float | None
    unit: str
    bar: float | None = None
    at_most: bool = True
    detail: str = ""

    @property
    def met(self) -> bool:
        """Whether the bar was met; False if there is a bar and no figure."""
        if self.bar is None:
            return True
        if self.measured is None:
            return False
        return self.measured <= self.bar if self.at_most else self.measured >= self.bar


def arguments(description: str | None) -> argparse.ArgumentParser:
    """A parser with the arguments of every benchmark."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--json", type=Path, help="file to write the figures to")
    return parser


def report(rows: Sequence[Row], path: Path | None) -> int:
    """Print the rows and write them to a file; returns 1 if a bar was missed, else 0."""
    width = max(len(row.what) for row in rows)
    for row in rows:
        measured = "-" if row.measured is None else f"{row.measured:.4g}"
        sign = "<=" if row.at_most else ">="
        bar = (
            ""
            if row.bar is None
            else f"  bar {sign} {row.bar:g} {row.unit}  {'met' if row.met else 'MISSED'}"
        )
        print(f"{row.what:<{width}}  {measured:>8} {row.unit:<7}{bar}  {row.detail}".rstrip(), flush=True)
    if path is not None:
        host = {
            "kernel": platform.release(),
            "machine": platform.machine(),
            "python": platform.python_version(),
        }
        data = {"host": host, "rows": [{**asdict(row), "met": row.met} for row in rows]}
        path.write_text(json.dumps(data, indent=1) + "\n", encoding="utf-8")
    return 0 if all(row.met for row in rows) else 1
