"""Program that joins control groups and measures how long pieces of work take there.

``python -I -S burst.py WORK_MS,COUNT... -- FILE...``: it writes its id to each file, does each work so many
times, and prints the durations in ms as JSON, one list for each.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from time import monotonic_ns, sleep, thread_time_ns

_PAUSE_S = 0.004
_NS_PER_MS = 1_000_000


def main() -> None:
    """Join, measure, print."""
    at = sys.argv.index("--")
    for file in sys.argv[at + 1 :]:
        Path(file).write_text("0", encoding="ascii")
    print(json.dumps([_durations_ms(*word.split(",")) for word in sys.argv[1:at]]))


def _durations_ms(work_ms: str, count: str) -> list[float]:
    return [_duration_ms(float(work_ms)) for _ in range(int(count))]


def _duration_ms(work_ms: float) -> float:
    """Duration of work that takes so much CPU time."""
    sleep(_PAUSE_S)
    begin_ns, used_ns = monotonic_ns(), thread_time_ns()
    end_ns = used_ns + round(work_ms * _NS_PER_MS)
    while (now_ns := thread_time_ns()) < end_ns:
        pass
    # The last look may come late, after a pause.
    return (monotonic_ns() - begin_ns) / _NS_PER_MS * work_ms * _NS_PER_MS / (now_ns - used_ns)


if __name__ == "__main__":
    main()
