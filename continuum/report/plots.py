"""The plots of a run, drawn from the files of its folder."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from continuum.model.fidelity import During
from continuum.model.result import Result
from continuum.report import fidelity_strip, formats, instance_timeline, node_metrics, palette, topology
from continuum.report.style import FAINT, INK, PAPER, Plot, figure_of, save
from continuum.rundir.node_metrics import Series

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MARKS = ((500, "p50"), (900, "p90"), (990, "p99"))
FEW = 5
"""Groups of fewer requests have no bar."""

RUNNING = 25
"""Least number of requests for the running median of the timeline."""


def draw(
    result: Result,
    rows: Sequence[dict[str, Any]],
    folder: Path,
    instances: Sequence[dict[str, Any]] = (),
    series: Sequence[Series] = (),
) -> tuple[Plot, ...]:
    """Draw the plots for which the run has data.

    Args:
        result: the run's result.
        rows: its samples; empty if it has none.
        folder: folder for the PNG files; created if missing.
        instances: timelines of the instances of workloads.
        series: metrics of nodes over time.
    """
    measured = [row for row in rows if not row["warmup"]]
    completed = [row for row in measured if row["end_to_end_ms"] is not None]
    drawings: list[tuple[str, Callable[[], Figure]]] = []
    if completed and result.benchmark:
        stages = result.benchmark.stages
        drawings.append(("breakdown", lambda: breakdown(completed, stages)))
        drawings.append(("cdf", lambda: cdf(completed, len(measured))))
    if rows and result.benchmark:
        drawings.append(("timeline", lambda: timeline(rows, result.fidelity.during)))
    if any(instance_timeline.segments(row) for row in instances):
        drawings.append(("instances", lambda: instance_timeline.draw(instances)))
    if any(one.points for one in series):
        drawings.append(("nodes", lambda: node_metrics.draw(series)))
    if result.nodes:
        drawings.append(("topology", lambda: topology.draw(result)))
    return tuple(save(name, drawing, folder) for name, drawing in drawings)


def breakdown(completed: Sequence[dict[str, Any]], stages: Sequence[str]) -> Figure:
    """Stacked bars: mean latency by stage of all requests and of the slowest ones."""
    ordered = sorted(completed, key=lambda row: row["end_to_end_ms"])
    groups = [("all requests", ordered)]
    for share, name in ((10, "slowest 10 %"), (1, "slowest 1 %")):
        slowest = ordered[len(ordered) - len(ordered) * share // 100 :]
        if len(slowest) >= FEW:
            groups.append((name, slowest))
    figure = figure_of(8.4, 1.75 + 0.62 * len(groups))
    axes = figure.subplots()
    bars = [(name, means(rows, stages)) for name, rows in groups]
    stacked(axes, bars, stages)
    axes.set_title("Latency by stage")
    axes.set_xlabel("mean latency (ms), from intended time to answer")
    return figure


def means(rows: Sequence[dict[str, Any]], stages: Sequence[str]) -> dict[str, float]:
    """Mean of every stage in ms over these rows; they add up to the mean latency."""
    return {stage: sum(row[f"{stage}_ms"] or 0.0 for row in rows) / len(rows) for stage in stages}


def stacked(
    axes: Axes, bars: Sequence[tuple[str, dict[str, float]]], stages: Sequence[str], reach: float = 0.0
) -> None:
    """Draw horizontal stacked bars, the first on top; the axis extends at least to ``reach``."""
    colours = palette.of(stages)
    longest = max(sum(max(0.0, part) for part in parts.values()) for _, parts in bars) or 1.0
    shown = max(1.12 * longest, reach)
    edge: dict[str, Any] = {"edgecolor": PAPER, "linewidth": 0.8}
    for place, (_, parts) in enumerate(bars):
        left = 0.0
        for stage in stages:
            width = max(0.0, parts.get(stage, 0.0))
            axes.barh(place, width, left=left, height=0.62, color=colours[stage], **edge)
            if width > 0.055 * shown:
                text = formats.number(width, 0 if longest >= 500 else 1)
                ink = palette.ink_on(colours[stage])
                axes.text(left + width / 2, place, text, ha="center", va="center", color=ink)
            left += width
        axes.text(left + 0.007 * shown, place, formats.span(sum(parts.values())), va="center", weight="bold")
    axes.set_yticks(range(len(bars)), [name for name, _ in bars], color=INK)
    axes.invert_yaxis()
    axes.set_xlim(0, shown)
    axes.grid(visible=False, axis="y")
    axes.tick_params(left=False)
    legend(axes, stages)


def marker(axes: Axes, x: float, y: float, shape: str) -> None:
    """Draw a small marker for a percentile beside a bar."""
    axes.plot([x], [y], shape, color=INK, markersize=8 if shape == "|" else 4.5, markeredgewidth=1.6)


def legend(axes: Axes, stages: Sequence[str]) -> None:
    """Draw the colours of the stages below the plot."""
    from matplotlib.patches import Patch

    colours = palette.of(stages)
    handles = [Patch(color=colours[stage], label=stage) for stage in stages]
    figure = axes.get_figure()
    if figure is not None:
        figure.legend(
            handles=handles,
            loc="outside lower center",
            ncols=min(7, len(stages)),
            frameon=False,
            handlelength=1,
            handleheight=1,
            columnspacing=1.4,
            labelcolor=INK,
        )


def cdf(completed: Sequence[dict[str, Any]], sent: int) -> Figure:
    """Distribution of latencies over the requests sent, with the percentiles that the samples support."""
    from continuum.measure.statistics import percentile

    ordered = sorted(row["end_to_end_ms"] for row in completed)
    figure = figure_of(5.6, 4.2)
    axes = figure.subplots()
    steps = [100 * (index + 1) / sent for index in range(len(ordered))]
    axes.step([ordered[0], *ordered], [0, *steps], where="post", color=palette.ACCENT, linewidth=2)
    axes.set_ylim(0, 103)
    axes.set_xlim(*_limits(ordered))
    for permille, name in MARKS:
        at_ms = percentile([*ordered, *[math.inf] * (sent - len(ordered))], permille)
        if at_ms is not None:
            _mark(axes, at_ms, permille / 10, f"{name}  {formats.span(at_ms)}")
    axes.set_title("Latency of requests")
    axes.set_xlabel("end-to-end latency (ms)")
    axes.set_ylabel("share of requests sent (%)")
    return figure


def _mark(axes: Axes, x: float, y: float, text: str) -> None:
    axes.plot([x, x], [0, y], color=FAINT, linewidth=0.9, linestyle=(0, (3, 2)))
    axes.plot([x], [y], "o", color=palette.ACCENT, markersize=5.5, markeredgecolor=PAPER)
    # The area below and to the right of a rising curve is empty.
    axes.annotate(
        text,
        (x, y),
        xytext=(9, -13),
        textcoords="offset points",
        fontsize=9.5,
        bbox={"facecolor": PAPER, "edgecolor": "none", "pad": 1.5, "alpha": 0.85},
    )


def _limits(ordered: Sequence[float]) -> tuple[float, float]:
    """Axis limits: from zero unless that squeezes the curve, with room for labels on the right."""
    low, high = ordered[0], ordered[-1]
    air = 0.06 * (high - low) or max(1.0, 0.1 * abs(high))
    start = 0.0 if 0 <= low < 0.35 * high else low - air
    return start, high + 0.24 * (high - start)


def timeline(rows: Sequence[dict[str, Any]], during: During | None = None) -> Figure:
    """Latency of every request over its intended time, with lost requests, queue length and disturbances."""
    rows = [row for row in rows if row["due_s"] is not None]  # missing for requests of an endpoint that died
    depths = [(row["due_s"], row["queue_depth"]) for row in rows if row["queue_depth"] is not None]
    watched = during if during is not None and during.readings else None
    strip = [fidelity_strip.height(watched)] if watched else []
    ratios = [3.0, *([1.0] if depths else []), *strip]
    figure = figure_of(8.4, 4.2 + sum(strip))
    above, *others = figure.subplots(len(ratios), 1, sharex=True, height_ratios=ratios, squeeze=False)[:, 0]
    if depths:
        _queue(others[0], depths)
    _latencies(above, rows)
    _warmup([above, *others[: bool(depths)]], rows)
    if watched:
        fidelity_strip.draw(others[-1], [above, *others], watched)
    above.set_title("Latency over time", loc="left")
    figure.axes[-1].set_xlabel("intended time of the request (s since the start)")
    return figure


def _latencies(axes: Axes, rows: Sequence[dict[str, Any]]) -> None:
    import numpy as np

    done = [row for row in rows if row["end_to_end_ms"] is not None and row["due_s"] is not None]
    times = [row["due_s"] for row in done]
    latencies = [row["end_to_end_ms"] for row in done]
    if done:
        size, alpha = (9, 0.55) if len(done) < 3000 else (3, 0.3)
        axes.scatter(times, latencies, size, palette.ACCENT, alpha=alpha, linewidths=0, rasterized=True)
        axes.set_ylim(0, max(latencies) * 1.08)
    if len(done) >= 2 * RUNNING:
        width = max(RUNNING, len(done) // 60)
        windows = np.lib.stride_tricks.sliding_window_view(np.asarray(latencies), width)
        step = max(1, len(windows) // 400)
        middle = np.lib.stride_tricks.sliding_window_view(np.asarray(times), width).mean(axis=1)
        axes.plot(
            middle[::step],
            np.median(windows[::step], axis=1),
            color=INK,
            linewidth=1.6,
            label=f"median of {width} requests",
        )
    _misses(axes, rows)
    axes.set_ylabel("end-to-end latency (ms)")
    if axes.get_legend_handles_labels()[0]:
        axes.legend(
            loc="lower right",
            bbox_to_anchor=(1, 1),
            ncols=3,
            frameon=False,
            labelcolor=INK,
            borderaxespad=0.2,
        )


def _misses(axes: Axes, rows: Sequence[dict[str, Any]]) -> None:
    """Mark lost and failed requests, which have no latency, at the upper edge."""
    kinds = (("lost", palette.ALARM, "x"), ("failed", palette.COLOURS[5], "+"))
    for outcome, colour, marker in kinds:
        missed = [row for row in rows if row["outcome"] == outcome and row["due_s"] is not None]
        times = [row["due_s"] for row in missed]
        if times:
            axes.plot(
                times,
                [0.98] * len(times),
                marker,
                color=colour,
                markersize=5,
                clip_on=False,
                transform=axes.get_xaxis_transform(),
                label=f"{outcome} ({sum(not row['warmup'] for row in missed)})",
            )


def _queue(axes: Axes, depths: Sequence[tuple[float, int]]) -> None:
    from matplotlib.ticker import MaxNLocator

    ordered = sorted(depths)
    times, waiting = [time for time, _ in ordered], [depth for _, depth in ordered]
    colour = palette.COLOURS[2]
    axes.fill_between(times, waiting, step="post", color=colour, alpha=0.55, linewidth=0, rasterized=True)
    axes.set_ylabel("queue length\nat the worker")
    axes.set_ylim(0, max(3, max(waiting) * 1.15))
    axes.yaxis.set_major_locator(MaxNLocator(nbins=4, integer=True))


def _warmup(all_axes: Sequence[Axes], rows: Sequence[dict[str, Any]]) -> None:
    """Shade the warm-up."""
    times = [row["due_s"] for row in rows if row["warmup"] and row["due_s"] is not None]
    later = [row["due_s"] for row in rows if not row["warmup"] and row["due_s"] is not None]
    if not times:
        return
    end = min((due for due in later if due > min(times)), default=max(times))
    for axes in all_axes:
        axes.axvspan(min(times), end, color=FAINT, alpha=0.14, linewidth=0)
    above = all_axes[0]
    text: dict[str, Any] = {"transform": above.get_xaxis_transform(), "color": FAINT, "fontsize": 9}
    above.text(min(times), 0.03, " warm-up", **text)
