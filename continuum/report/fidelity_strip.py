"""The strip below the latency over time: when the load was disturbed, and by what."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

from continuum.model.fidelity import Disturbance, During, Reading
from continuum.report import palette
from continuum.report.style import INK

if TYPE_CHECKING:
    from matplotlib.axes import Axes

TITLES = {
    "engine_dead": "engine died",
    "engine_stalled": "engine stalled",
    "link_changed": "link changed",
    "packets_dropped": "packets dropped",
    "delay": "packets delayed",
    "foreign_cpu": "CPU used by others",
    "steal": "CPU stolen",
    "unwatched": "not watched",
}
FAINT = 0.35
"""Opacity of what is within its threshold, or unknown."""

_ROW_INCHES = 0.24

State = Callable[[Reading], "bool | None"]
"""Whether a reading is within its threshold; None if unknown."""


def rows(during: During) -> tuple[tuple[str, State], ...]:
    """Name and state of each row for which there are values."""
    died = min((one.at_s for one in during.disturbances if one.kind == "engine_dead"), default=None)

    def engine(one: Reading) -> bool | None:
        if died is not None and one.at_s > died:
            return False
        return None if one.engine_delay_ms is None else one.engine_delay_ms <= during.tolerated_stall_ms

    def within(percent: float | None) -> bool | None:
        return None if percent is None else percent <= during.tolerated_foreign_cpu_percent

    every: tuple[tuple[str, State], ...] = (
        ("network engine", engine),
        ("CPU by others", lambda one: within(one.foreign_cpu_percent)),
        ("CPU stolen", lambda one: within(one.steal_percent)),
    )
    return tuple(
        (name, state) for name, state in every if any(state(one) is not None for one in during.readings)
    )


def height(during: During) -> float:
    """Height of the strip in inches."""
    return 0.3 + _ROW_INCHES * len(rows(during))


def draw(axes: Axes, all_axes: Sequence[Axes], during: During) -> None:
    """Draw a row for each watched source, and a line through all axes at each disturbance.

    Args:
        axes: receives the strip.
        all_axes: the axes that share its time axis, itself included.
        during: what was observed.
    """
    shown = rows(during)
    spans = _spans(during.readings)
    for place, (_, state) in enumerate(shown):
        states = [state(one) for one in during.readings]
        for value, colour in ((True, palette.ACCENT), (None, palette.GREY), (False, palette.ALARM)):
            parts = [span for span, found in zip(spans, states, strict=True) if found is value]
            alpha = 0.9 if value is False else FAINT
            axes.broken_barh(parts, (place - 0.36, 0.72), facecolors=colour, alpha=alpha, linewidth=0)
    axes.set_yticks(range(len(shown)), [name for name, _ in shown], color=INK, fontsize=9)
    axes.set_ylim(len(shown) - 0.4, -0.6)
    axes.tick_params(left=False)
    axes.grid(visible=False)
    for one in during.disturbances:
        for each in all_axes:
            each.axvline(one.at_s, color=palette.ALARM, linewidth=1.0, linestyle=(0, (4, 2)), zorder=1)
    _name(all_axes[0], during.disturbances)


def _spans(readings: Sequence[Reading]) -> list[tuple[float, float]]:
    """Start and length of the interval of each reading."""
    ends = [one.at_s for one in readings]
    lengths = [later - sooner for sooner, later in pairwise(ends)]
    first = lengths[0] if lengths else 0.5
    return [(end - length, length) for end, length in zip(ends, [first, *lengths], strict=True)]


def _name(axes: Axes, disturbances: Sequence[Disturbance]) -> None:
    """Write the first disturbance of each kind beside its line, one below the other."""
    first = {one.kind: one for one in reversed(disturbances)}
    for place, one in enumerate(sorted(first.values(), key=lambda each: each.at_s)):
        axes.text(
            one.at_s,
            0.97 - 0.075 * place,
            f" {TITLES.get(one.kind, one.kind)}",
            transform=axes.get_xaxis_transform(),
            color=palette.ALARM,
            fontsize=9,
            va="top",
        )
