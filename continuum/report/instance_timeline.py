"""The timeline of instances: a line for each, from creation to end, coloured by the stage it leads to."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from continuum.model.marks import CREATED, FINISHED, STAGES
from continuum.report import palette
from continuum.report.style import INK, figure_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

NAMED = 40
"""With more instances than this, lines have no names."""


def draw(rows: Sequence[dict[str, Any]]) -> Figure:
    """Lines of all instances in the order of creation, above the share that has reached each stage.

    Args:
        rows: the rows of ``instances.csv``, as ``instances.read`` returns them.
    """
    figure = figure_of(8.4, 4.0 + min(5.0, 0.12 * len(rows)))
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(2 + 0.05 * min(100, len(rows)), 1))
    stages = [stage for stage in STAGES if any(row[f"{stage}_ms"] is not None for row in rows)]
    colours = _colours(stages)
    _lines(above, rows, colours)
    _shares(below, rows, colours)
    above.set_title(f"Timeline of {len(rows)} instances", loc="left")
    below.set_xlabel("seconds since the first instance was created")
    return figure


def segments(row: dict[str, Any]) -> list[tuple[str, float, float]]:
    """The parts of one instance's timeline: the stage that each leads to, its start and end in ms."""
    known = [(stage, row[f"{stage}_ms"]) for stage in STAGES if row[f"{stage}_ms"] is not None]
    return [(stage, start, end) for (_, start), (stage, end) in pairwise(known)]


def _colours(stages: Sequence[str]) -> dict[str, str]:
    """A colour for each stage after the creation; the time until the end is grey."""
    led_to = [stage for stage in stages if stage not in (CREATED, FINISHED)]
    return {**palette.of(led_to), **({FINISHED: palette.GREY} if FINISHED in stages else {})}


def _lines(axes: Axes, rows: Sequence[dict[str, Any]], colours: dict[str, str]) -> None:
    parts: dict[str, list[tuple[int, float, float]]] = {stage: [] for stage in colours}
    for place, row in enumerate(rows):
        for stage, start, end in segments(row):
            parts[stage].append((place, start / 1000, end / 1000))
    width = max(0.8, min(7.0, 260 / len(rows)))
    for stage, found in parts.items():
        if found:
            places, starts, ends = zip(*found, strict=True)
            axes.hlines(
                places,
                starts,
                ends,
                color=colours[stage],
                linewidth=width,
                label=f"to {stage}",
                rasterized=True,
            )
    axes.invert_yaxis()
    axes.grid(visible=False, axis="y")
    if len(rows) <= NAMED:
        axes.set_yticks(range(len(rows)), [row["instance"] for row in rows], fontsize=7)
    else:
        axes.set_ylabel("instances, in order of creation")
    axes.legend(
        loc="lower right",
        bbox_to_anchor=(1, 1),
        ncols=len(colours),
        frameon=False,
        labelcolor=INK,
        borderaxespad=0.2,
        handlelength=1,
    )


def _shares(axes: Axes, rows: Sequence[dict[str, Any]], colours: dict[str, str]) -> None:
    for stage, colour in colours.items():
        times = sorted(row[f"{stage}_ms"] / 1000 for row in rows if row[f"{stage}_ms"] is not None)
        shares = [100 * (index + 1) / len(rows) for index in range(len(times))]
        axes.step([times[0], *times], [0, *shares], where="post", color=colour, linewidth=1.8)
    axes.set_ylim(0, 104)
    axes.set_ylabel("instances at\nthe stage (%)")
