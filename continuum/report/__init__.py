"""The report of a run: plots and an HTML page. Reads only the run directory."""

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
    """The files of a report.

    Attributes:
        html: the page.
        plots: the PNG files; only plots for which there is data.
    """

    html: Path
    plots: tuple[Path, ...]

    @property
    def all(self) -> tuple[Path, ...]:
        """Every file, the page last."""
        return (*self.plots, self.html)


def write(run_dir: Path, result: Result | None = None) -> ReportPaths:
    """Draw the plots and write the page of a run from its directory alone.

    Args:
        run_dir: folder with ``result.json`` and, if present, ``samples.csv``, ``config.cfg`` and others.
        result: the content of ``result.json``, if already loaded.

    Raises:
        UsageError: there is no readable result.
    """
    result = result or Result.load(run_dir)
    drawn = draw(run_dir, result)
    return ReportPaths(write_page(run_dir, result, drawn), tuple(plot.path for plot in drawn))


def draw(run_dir: Path, result: Result) -> tuple[Plot, ...]:
    """Draw the plots of a run for which there is data."""
    # Importing numpy and matplotlib is slow, so only reports do it.
    from continuum.measure import instances
    from continuum.report import plots
    from continuum.rundir import node_metrics

    table, timelines = run_dir / SAMPLES_FILE, run_dir / INSTANCES_FILE
    rows = sample_table.read(table) if table.is_file() else []
    started = instances.read(timelines) if timelines.is_file() else []
    return plots.draw(result, rows, run_dir / "plots", started, node_metrics.read(run_dir))


def write_page(run_dir: Path, result: Result, drawn: Sequence[Plot]) -> Path:
    """Write the page of a run with its plots; returns its path."""
    from continuum.report import html

    config = run_dir / "config.cfg"
    text = config.read_text(encoding="utf-8", errors="replace") if config.is_file() else ""
    page = run_dir / "report.html"
    page.write_text(html.render(result, {plot.name: plot.svg for plot in drawn}, text), encoding="utf-8")
    return page
