"""The plot of the topology: a card for each tier, and the links between them with their measurements."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from continuum.model.result import LinkFidelity, NodeUse, Result
from continuum.report import formats, palette, view
from continuum.report.style import FAINT, PAPER, RULE

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

CARD_WIDTH, GAP, CARD_HEIGHT = 2.3, 2.6, 1.5
STEP = 0.07
"""Offset of each card behind another."""

LANE = 0.75
"""Height of a lane above the cards, for links that pass over other cards; in inches, like all sizes."""


@dataclass(frozen=True)
class Wire:
    """The links between two tiers, in both directions.

    Attributes:
        ends: positions of the two tiers in the row.
        configured: a line per direction, or one line if both are equal.
        measured: the measured values.
        ok: False if one of the links is out of tolerance; None if one was not measured.
    """

    ends: tuple[int, int]
    configured: tuple[str, ...]
    measured: str
    ok: bool | None


def draw(result: Result) -> Figure:
    """Draw tiers as cards in a row; neighbours are connected directly, others by lanes above."""
    from matplotlib.figure import Figure

    tiers = view.by_tier(result.nodes)
    wires = wires_of(list(tiers), result.network)
    lanes = sorted((w for w in wires if w.ends[1] - w.ends[0] > 1), key=lambda w: w.ends[1] - w.ends[0])
    width = len(tiers) * CARD_WIDTH + (len(tiers) - 1) * GAP + 0.6
    height = CARD_HEIGHT + LANE * len(lanes) + 1.15
    figure = Figure(figsize=(max(width, 5.2), height))
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_axis_off()
    axes.set_xlim(-0.3, max(width, 5.2) - 0.3)
    axes.set_ylim(-0.35, height - 0.35)
    axes.text(0, height - 0.62, "Nodes and links", fontsize=12.5, weight="bold")
    for place, (tier, nodes) in enumerate(tiers.items()):
        inner = [link for link in result.network if link.src == link.dst == tier]
        _card(axes, place, tier, nodes, inner)
    behind = [_depth(nodes) for nodes in tiers.values()]
    for wire in wires:
        if wire.ends[1] - wire.ends[0] == 1:
            _straight(axes, wire, behind[wire.ends[0]])
    for lane, wire in enumerate(lanes):
        _over(axes, wire, CARD_HEIGHT + LANE * (lane + 1) - 0.2, (behind[wire.ends[0]], behind[wire.ends[1]]))
    return figure


def wires_of(tiers: Sequence[str], network: Sequence[LinkFidelity]) -> list[Wire]:
    """One wire for each pair of tiers that has links."""
    wires = []
    for left, first in enumerate(tiers):
        for right in range(left + 1, len(tiers)):
            pair = {first, tiers[right]}
            links = [link for link in network if {link.src, link.dst} == pair]
            if links:
                wires.append(_wire((left, right), first, links, network))
    return wires


def _wire(
    ends: tuple[int, int], first: str, links: Sequence[LinkFidelity], network: Sequence[LinkFidelity]
) -> Wire:
    """``first`` is the tier on the left."""
    texts = [configured(link) for link in links]
    directed = tuple(f"{'→' if link.src == first else '←'} {configured(link)}" for link in links)
    lines = (texts[0],) if len(texts) > 1 and len(set(texts)) == 1 else directed
    oks = [link.ok for link in links]
    ok = False if False in oks else None if None in oks else True
    worst = next((link for link in links if link.ok is False), links[0])
    return Wire(ends, lines, measured(worst, network), ok)


def configured(link: LinkFidelity) -> str:
    """The settings of a link as short text."""
    loss = link.configured.get("loss_percent")
    limit = link.configured.get("bandwidth_mbit")
    parts = [f"{view.delay(link)} ms", "no limit" if limit is None else f"{formats.compact(limit)} Mbit/s"]
    return ", ".join(parts + ([f"{loss:g} % loss"] if loss else []))


def measured(link: LinkFidelity, network: Sequence[LinkFidelity]) -> str:
    """The measured values of a link, with the configured round trip."""
    rtt_ms, rate = link.measured.get("rtt_ms"), link.measured.get("throughput_mbit")
    asked_ms = view.configured_rtt_ms(link, network)
    if rtt_ms is None and rate is None:
        return "not measured"
    parts = []
    if rtt_ms is not None:
        asked = "" if asked_ms is None else f" of {formats.compact(asked_ms)}"
        parts.append(f"RTT {formats.number(rtt_ms)}{asked} ms")
    if rate is not None:
        parts.append(f"{formats.compact(round(rate, 2))} Mbit/s")
    return ", ".join(parts)


def _left(place: int) -> float:
    return place * (CARD_WIDTH + GAP)


def _card(axes: Axes, place: int, tier: str, nodes: Sequence[NodeUse], inner: Sequence[LinkFidelity]) -> None:
    from matplotlib.patches import FancyBboxPatch

    left = _left(place)
    for depth in range(_depth(nodes), -1, -1):
        corner = (left + STEP * depth, STEP * depth)
        edge = palette.ACCENT if depth == 0 else RULE
        shape = "round,pad=0,rounding_size=0.1"
        axes.add_patch(
            FancyBboxPatch(
                corner,
                CARD_WIDTH,
                CARD_HEIGHT,
                boxstyle=shape,
                facecolor=PAPER,
                edgecolor=edge,
                linewidth=1.4,
            )
        )
    middle = left + CARD_WIDTH / 2
    name = tier if len(tier) <= 18 else f"{tier[:16]}..."
    axes.text(middle, 1.22, name, ha="center", va="center", fontsize=13, weight="bold")
    axes.text(middle, 0.92, formats.count(len(nodes), "node"), ha="center", va="center", fontsize=11)
    for row, (line, bad) in enumerate(_facts(nodes, inner)):
        colour = palette.ALARM if bad else FAINT
        axes.text(middle, 0.64 - 0.22 * row, line, ha="center", va="center", fontsize=9, color=colour)


def _facts(nodes: Sequence[NodeUse], inner: Sequence[LinkFidelity]) -> list[tuple[str, bool]]:
    """Up to three lines about a tier, and whether each reports a problem."""
    first = nodes[0]
    cores = first.cores * first.quota
    each = " each" if len(nodes) > 1 else ""
    facts = [(f"{cores:g} core{'' if cores == 1 else 's'}, {formats.memory(first.memory_mb)}{each}", False)]
    used = [node.cpu_percent for node in nodes if node.cpu_percent is not None]
    if used:
        facts.append((f"{sum(used) / len(used):.0f} % CPU used", False))
    if inner:
        facts.append((f"{view.delay(inner[0])} ms between them", inner[0].ok is False))
    return facts


def _depth(nodes: Sequence[NodeUse]) -> int:
    """Number of cards behind the first one."""
    return min(len(nodes), 3) - 1


def _straight(axes: Axes, wire: Wire, behind: int) -> None:
    """Draw a wire between neighbours; ``behind`` cards are behind the left one."""
    start = _left(wire.ends[0]) + CARD_WIDTH + STEP * behind + 0.06
    end = _left(wire.ends[1]) - 0.06
    _arrow(axes, [(start, 0.75), (end, 0.75)], wire)
    _label(axes, (start + end) / 2, 0.75, wire)


def _over(axes: Axes, wire: Wire, height: float, behind: tuple[int, int]) -> None:
    """Draw a wire that passes above the cards between its ends."""
    # Each end has its own column, so that wires of different lanes do not touch.
    reach = 0.25 * (wire.ends[1] - wire.ends[0] - 1)
    start = _left(wire.ends[0]) + CARD_WIDTH / 2 + 0.4 - reach
    end = _left(wire.ends[1]) + CARD_WIDTH / 2 - 0.4 + reach
    left, right = (CARD_HEIGHT + STEP * depth + 0.05 for depth in behind)
    _arrow(axes, [(start, left), (start, height), (end, height), (end, right)], wire)
    _label(axes, (start + end) / 2, height, wire)


def _arrow(axes: Axes, points: Sequence[tuple[float, float]], wire: Wire) -> None:
    from matplotlib.patches import FancyArrowPatch
    from matplotlib.path import Path

    colour = palette.ALARM if wire.ok is False else FAINT
    arrow = FancyArrowPatch(path=Path(points), arrowstyle="<|-|>", mutation_scale=11, color=colour)
    arrow.set(linewidth=1.3, linestyle="--" if wire.ok is None else "-", fill=False)
    axes.add_patch(arrow)


def _label(axes: Axes, x: float, y: float, wire: Wire) -> None:
    """Draw configured values above the line and measured ones below, with a background where lines cross."""
    colour = palette.ALARM if wire.ok is False else FAINT
    state = ": out of tolerance" if wire.ok is False else ""
    asked = "\n".join(wire.configured)
    size = 9.5 if len(max(wire.configured, key=len)) < 32 else 8
    style: dict[str, Any] = {"ha": "center", "bbox": {"facecolor": PAPER, "edgecolor": "none", "pad": 1.5}}
    axes.text(x, y + 0.09, asked, va="bottom", fontsize=size, linespacing=1.35, **style)
    axes.text(x, y - 0.11, wire.measured + state, va="top", fontsize=8, color=colour, **style)
