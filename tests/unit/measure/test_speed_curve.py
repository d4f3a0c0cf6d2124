"""What is said about the measured speed of processors."""

from __future__ import annotations

import pytest

from continuum.measure import speed_curve
from continuum.model import result_json
from continuum.model.fidelity import Fidelity, Processors


@pytest.mark.parametrize(
    ("work_ms", "wall_ms", "ok"),
    [(1, 4.5, True), (1, 3.5, True), (1, 1.07, False), (4, 14.5, True), (4, 14.3, False), (20, 89, False)],
)
def test_tolerance(work_ms: float, wall_ms: float, ok: bool) -> None:
    assert speed_curve.judge(work_ms, wall_ms, 0.25).ok is ok


def processors(*wall_ms: float) -> Processors:
    bursts = [speed_curve.judge(work, wall, 0.25) for work, wall in zip((1, 4, 20), wall_ms, strict=True)]
    return Processors("endpoint", "endpoint0", 0.25, paced=True, bursts=tuple(bursts))


def test_nothing_is_said_about_what_fits() -> None:
    assert speed_curve.remarks([processors(4, 16, 80)]) == ()


def test_fast_bursts_are_named() -> None:
    (remark,) = speed_curve.remarks([processors(1, 5.33, 80)])
    assert remark == (
        "processors of endpoint nodes (speed 0.25) are 4.0 times too fast for bursts of 1 ms, "
        "3.0 times too fast for bursts of 4 ms"
    )


def test_slow_bursts_are_the_hosts() -> None:
    (remark,) = speed_curve.remarks([processors(8, 16, 80)])
    assert "2.0 times too slow for bursts of 1 ms: this host was busy then, or" in remark


def test_survives_result_json() -> None:
    found = Fidelity(None, (processors(4, 16, 80),))
    assert result_json.fidelity(result_json.plain(found)) == found
