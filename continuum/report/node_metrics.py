"""Metrics of nodes over time: a panel for each metric, a line for each node."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from continuum.report import palette
from continuum.report.style import figure_of
from continuum.rundir.node_metrics import Series

if TYPE_CHECKING:
    from matplotlib.figure import Figure

NAMED = 12
"""With more nodes than this, the plot has no legend."""


def draw(series: Sequence[Series]) -> Figure:
    """Draw all panels, one below the other."""
    metrics = list(dict.fromkeys((one.metric, one.unit) for one in series))
    nodes = list(dict.fromkeys(one.node for one in series))
    colours = palette.of(nodes)
    figure = figure_of(8.4, 0.6 + 1.9 * len(metrics))
    panels = figure.subplots(len(metrics), 1, sharex=True, squeeze=False)[:, 0]
    for axes, (metric, unit) in zip(panels, metrics, strict=True):
        for one in series:
            if (one.metric, one.unit) == (metric, unit) and one.points:
                times, values = zip(*one.points, strict=True)
                axes.plot(times, values, color=colours[one.node], label=one.node, linewidth=1.4)
        axes.set_ylabel(f"{metric} ({unit})")
        axes.set_ylim(bottom=0)
    panels[0].set_title("Node metrics")
    panels[-1].set_xlabel("time since the resource manager was ready (s)")
    if len(nodes) <= NAMED:
        panels[0].legend(frameon=False, ncols=len(nodes), loc="upper right")
    return figure
