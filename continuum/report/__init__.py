"""Run directory -> terminal table, plots, HTML. Reads nothing but that folder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from continuum.model import sample_table
from continuum.model.result import INSTANCES_FILE, SAMPLES_FILE, Result

if TYPE_CHECKING:
    from continuum.report.style import Plot


@dataclass(frozen=True)
class ReportPaths:
    """What a report consists of.

    Attributes:
        html: the page.
        plots: the PNGs, as many as there was data for.
    """

    html: Path
    plots: tuple[Path, ...]

    @property
    def all(self) -> tuple[Path, ...]:
        """Every file, the page last, as ``terminal.show`` names them."""
        return (*self.plots, self.html)


def write(run_dir: Path, result: Result | None = None) -> ReportPaths:
    """Draw the plots and write the page of a run from its directory alone.

    Args:
        run_dir: holds ``result.json``, and ``samples.csv`` and ``config.cfg`` where there are such.
        result: what ``result.json`` holds, if it is at hand.

    Raises:
        UsageError: there is no result that can be read.
    """
    result = result or Result.load(run_dir)
    drawn = draw(run_dir, result)
    return ReportPaths(write_page(run_dir, result, drawn), tuple(plot.path for plot in drawn))


def draw(run_dir: Path, result: Result) -> tuple[Plot, ...]:
    """Draw the plots of a run, as far as there is data for them."""
    # These import numpy and matplotlib, which only a report has to pay for.
    from continuum.measure import instances
    from continuum.report import plots
    from continuum.rundir import node_metrics

    table, lives = run_dir / SAMPLES_FILE, run_dir / INSTANCES_FILE
    rows = sample_table.read(table) if table.is_file() else []
    born = instances.read(lives) if lives.is_file() else []
    return plots.draw(result, rows, run_dir / "plots", born, node_metrics.read(run_dir))


def write_page(run_dir: Path, result: Result, drawn: Sequence[Plot]) -> Path:
    """Write the page of a run around its plots; returns its path."""
    from continuum.report import html

    config = run_dir / "config.cfg"
    text = config.read_text(encoding="utf-8", errors="replace") if config.is_file() else ""
    page = run_dir / "report.html"
    page.write_text(html.render(result, {plot.name: plot.svg for plot in drawn}, text), encoding="utf-8")
    return page
