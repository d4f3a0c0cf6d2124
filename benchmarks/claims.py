"""False and missed claims of ``continuum compare``, from the medians of real runs of one config.

``python -m benchmarks.claims`` runs the quickstart 20 times; ``python -m benchmarks.claims RUN...`` takes at
least ten runs of one config instead. Pairs of deployments with five repeats each are drawn from them at
random, without replacement: as they are, where any difference is false, and with one side slower by 10 %.
Whether that is found depends on how much the runs differ, so it requires an idle machine.
"""

from __future__ import annotations

import random
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks.table import Row, arguments, report
from continuum.measure.claims import MIN_RUNS, claims, spread
from continuum.model.result import Result

CHECKOUT = Path(__file__).resolve().parent.parent
REPEATS = 20
PAIRS = 100
SHIFT = 1.1


def main() -> int:
    parser = arguments(__doc__)
    parser.add_argument("run", nargs="*", type=Path, help="directories of runs of one config")
    options = parser.parse_args()
    found = map(_median_ms, options.run) if options.run else _quickstart_medians_ms()
    medians_ms = [median_ms for median_ms in found if median_ms is not None]
    if len(medians_ms) < 2 * MIN_RUNS:
        parser.error(f"{2 * MIN_RUNS} valid runs are required; there are {len(medians_ms)}")
    equal, shifted = _verdicts(medians_ms, 1.0), _verdicts(medians_ms, SHIFT)
    different = equal.count("faster") + equal.count("slower")
    between = spread(medians_ms)
    detail = f"{len(medians_ms)} runs, " + (f"{100 * between:.2f} % between runs" if between else "")
    rows = [
        Row("equals called different", 100 * different / PAIRS, "%", 5.0, detail=detail),
        Row("equals shown to be equal", 100 * equal.count("no_difference") / PAIRS, "%"),
        Row("shift of 10 % found", 100 * shifted.count("slower") / PAIRS, "%", 90.0, at_most=False),
    ]
    return report(rows, options.json)


def _quickstart_medians_ms() -> list[float | None]:
    """Median latency of every repeat of the quickstart."""
    text = (CHECKOUT / "configs/quickstart.cfg").read_text(encoding="utf-8")
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder) / "quickstart.cfg"
        config.write_text(text.replace("[run]\n", f"[run]\nrepeats = {REPEATS}\n"), encoding="utf-8")
        program = [sys.executable, str(CHECKOUT / "continuum.py"), "--quiet", "--json", str(config)]
        subprocess.run(program, cwd=folder, stdout=subprocess.DEVNULL, check=False)
        return [_median_ms(result.parent) for result in sorted(Path(folder).glob("runs/*/result.json"))]


def _median_ms(run: Path) -> float | None:
    """Median latency of a valid run."""
    result = Result.load(run)
    return result.benchmark.end_to_end_ms.p50 if result.valid and result.benchmark else None


def _verdicts(medians_ms: Sequence[float], factor: float) -> list[str]:
    """The verdicts about random pairs whose second side is slower by a factor."""
    rng = random.Random(1)
    found: list[str] = []
    for _ in range(PAIRS):
        drawn = rng.sample(medians_ms, 2 * MIN_RUNS)
        second = [factor * median_ms for median_ms in drawn[MIN_RUNS:]]
        found.append(claims({"": (drawn[:MIN_RUNS], second)})[""].verdict)
    return found


raise SystemExit(main())
