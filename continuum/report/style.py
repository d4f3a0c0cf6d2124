"""The style of figures, and their conversion to PNG and to SVG for the page.

In an SVG, the colours of text and grid are variables of the page's style sheet, for light and dark mode.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure

INK, FAINT, RULE, PAPER = "#1c2024", "#5d666f", "#d9dde1", "#fefefe"

_VARIABLES = {INK: "var(--ink)", FAINT: "var(--faint)", RULE: "var(--rule)", PAPER: "var(--paper)"}

STYLE: dict[Any, Any] = {
    "axes.axisbelow": True,
    "axes.edgecolor": RULE,
    "axes.grid": True,
    "axes.labelcolor": FAINT,
    "axes.labelsize": 10,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlecolor": INK,
    "axes.titlelocation": "left",
    "axes.titlesize": 12.5,
    "axes.titleweight": "bold",
    "axes.titlepad": 12,
    "figure.constrained_layout.h_pad": 0.12,
    "figure.constrained_layout.w_pad": 0.12,
    "figure.dpi": 100,
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 10,
    "grid.color": RULE,
    "grid.linewidth": 0.7,
    "savefig.dpi": 160,
    "savefig.facecolor": PAPER,
    "svg.fonttype": "none",
    "text.color": INK,
    "text.parse_math": False,
    "xtick.color": RULE,
    "xtick.labelcolor": FAINT,
    "ytick.color": RULE,
    "ytick.labelcolor": FAINT,
}


@dataclass(frozen=True)
class Plot:
    """A plot.

    Attributes:
        name: ``breakdown``, ``cdf``, ``timeline``, ``instances``, ``nodes`` or ``topology``.
        path: the PNG file.
        svg: the plot as an SVG element for a page.
    """

    name: str
    path: Path
    svg: str


def save(name: str, drawing: Callable[[], Figure], folder: Path) -> Plot:
    """Draw a figure in this style and write it."""
    # Importing matplotlib takes half a second, so only reports do it.
    import matplotlib as mpl

    mpl.use("Agg")
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.png"
    with mpl.rc_context({**STYLE, "svg.hashsalt": name}):
        figure = drawing()
        figure.savefig(path)
        text = io.StringIO()
        figure.savefig(text, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    return Plot(name, path, inline_svg(text.getvalue(), name))


def inline_svg(document: str, name: str) -> str:
    """Convert an SVG document to an element: no prologue, unique ids, the page's colours and width."""
    svg = document[document.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r'(\bid="|url\(#|href="#)', rf"\g<1>{name}-", svg)
    svg = re.sub(r'(<svg[^>]*?) width="[^"]*"', r"\1", svg, count=1)
    svg = re.sub(r'(<svg[^>]*?) height="[^"]*"', r"\1", svg, count=1)
    svg = svg.replace("'DejaVu Sans'", "var(--font)")
    for colour, variable in _VARIABLES.items():
        svg = svg.replace(colour, variable)
    return svg.replace("<svg", f'<svg class="{name}" role="img" aria-label="{name}"', 1)


def figure_of(width: float, height: float) -> Figure:
    """An empty figure of a size in inches."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")
