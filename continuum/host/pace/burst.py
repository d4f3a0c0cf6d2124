"""Program that joins control groups and measures how long pieces of work take there.

``python -I -S burst.py UNITS,COUNT... -- FILE...`` joins the control groups with these files, does each work
so many times, and prints the durations in ms as JSON, one list for each. ``python -I -S burst.py WORK_MS``
prints how many units take so long at full speed.
"""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path
from time import monotonic_ns, sleep

sys.path[0] = str(Path(__file__).resolve().parent.parent)
work = importlib.import_module("pace.work").work

_PAUSE_S = 0.004
_NS_PER_MS = 1_000_000
_TRIED = 50


def main() -> None:
    """Join, measure, print."""
    if len(sys.argv) == 2:
        _durations_ms(_TRIED, 2)
        print(max(1, round(_TRIED * float(sys.argv[1]) / sorted(_durations_ms(_TRIED, 7))[3])))
        return
    at = sys.argv.index("--")
    for file in sys.argv[at + 1 :]:
        Path(file).write_text("0", encoding="ascii")
    print(json.dumps([_durations_ms(*map(int, word.split(","))) for word in sys.argv[1:at]]))


def _durations_ms(units: int, count: int) -> list[float]:
    return [_duration_ms(units) for _ in range(count)]


def _duration_ms(units: int) -> float:
    sleep(_PAUSE_S)
    begin_ns = monotonic_ns()
    work(units)
    return (monotonic_ns() - begin_ns) / _NS_PER_MS


if __name__ == "__main__":
    main()
