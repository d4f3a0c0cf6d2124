"""Colours of stages, the same in the terminal, the plots and the page.

The scheme is Paul Tol's "bright" (Colour Schemes, SRON/EPS/TN/09-002), which is safe for colour-blind
readers; ``other`` has its grey.
"""

from __future__ import annotations

from collections.abc import Sequence

from continuum.measure.trace import OTHER

COLOURS = ("#66ccee", "#4477aa", "#ccbb44", "#ee6677", "#228833", "#aa3377")
GREY = "#bbbbbb"
ACCENT = "#4477aa"
ALARM = "#cc3311"
GOOD = "#228833"


def of(stages: Sequence[str]) -> dict[str, str]:
    """A colour for every stage."""
    named = [stage for stage in stages if stage != OTHER]
    colours = {stage: COLOURS[index % len(COLOURS)] for index, stage in enumerate(named)}
    return {stage: colours.get(stage, GREY) for stage in stages}


def ink_on(colour: str) -> str:
    """Black or white, whichever is easier to read on a colour (luminance of ITU-R BT.601)."""
    red, green, blue = (int(colour[at : at + 2], 16) for at in (1, 3, 5))
    return "#111111" if 0.299 * red + 0.587 * green + 0.114 * blue > 140 else "#ffffff"
