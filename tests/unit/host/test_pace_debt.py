"""How long nodes with slow processors are stopped."""

from __future__ import annotations

from pathlib import Path

import pytest

from continuum.host.pace import pace_plan
from continuum.host.pace.debt import Debt
from continuum.host.pace.pace_plan import PacedNode, PacePlan

SLICE = 250_000
START = 10_000_000_000


def computed(debt: Debt, ran_ns: tuple[int, ...], now_ns: int) -> int:
    """Charge, stop and release as the process does; returns when the node may go on."""
    due_ns = debt.charge(ran_ns, now_ns)
    debt.stop()
    return due_ns


def test_work_takes_as_long_as_on_a_slow_processor() -> None:
    debt, now_ns, work_ns = Debt(0.25, 1), START, 4_000_000
    for _ in range(work_ns // SLICE):
        now_ns = computed(debt, (0, SLICE), now_ns + SLICE)
        debt.release(now_ns)
    assert now_ns - START == work_ns / 0.25


def test_late_release_is_made_up_for() -> None:
    debt, now_ns = Debt(0.5, 1), START
    for _ in range(10):
        due_ns = computed(debt, (SLICE,), now_ns + SLICE)
        now_ns = due_ns + 100_000
        debt.release(now_ns)
    assert due_ns - START == 10 * SLICE / 0.5


def test_idle_time_earns_nothing() -> None:
    debt = Debt(0.5, 1)
    debt.release(computed(debt, (SLICE,), START))
    later_ns = START + 1_000_000_000
    assert debt.charge((SLICE,), later_ns) == later_ns - SLICE + 2 * SLICE


def test_what_runs_on_after_the_stop_is_charged_too() -> None:
    debt = Debt(0.5, 1)
    due_ns = computed(debt, (SLICE,), START)
    assert debt.charge((SLICE,), START + 10_000) == due_ns + 2 * SLICE


@pytest.mark.parametrize(
    ("cores", "ran_ns", "charged_ns"),
    [
        (2, (SLICE, SLICE), SLICE),
        (2, (2 * SLICE, 0), 2 * SLICE),
        (1, (SLICE, SLICE), 2 * SLICE),
        (2, (2 * SLICE, SLICE, SLICE), 2 * SLICE),
    ],
)
def test_processors_compute_side_by_side(cores: int, ran_ns: tuple[int, ...], charged_ns: int) -> None:
    debt = Debt(0.5, cores)
    assert debt.charge(ran_ns, START) == START - charged_ns + 2 * charged_ns


def test_what_a_stop_costs_is_no_work() -> None:
    debt, now_ns, stop_ns = Debt(0.25, 1, 50_000), START, 50_000
    for _ in range(10):
        now_ns = computed(debt, (SLICE,), now_ns + SLICE)
        debt.release(now_ns)
    assert now_ns - START == (10 * SLICE - 9 * stop_ns) / 0.25


def test_a_node_that_owes_nothing_is_not_stopped() -> None:
    debt = Debt(0.75, 1, 100_000)
    now_ns = computed(debt, (SLICE,), START)
    debt.release(now_ns)
    assert debt.charge((SLICE,), now_ns + SLICE) == now_ns + SLICE


def test_plan_survives_its_json() -> None:
    plan = PacePlan(
        ("/count/t", "/stop/t"), "/hold", (0, 3), (PacedNode("a0", "/count/a0", "/stop/a0", 0.25, 1),)
    )
    assert pace_plan.from_json(plan.to_json()) == plan


def test_process_needs_nothing_but_its_folder() -> None:
    folder = Path(str(pace_plan.__file__)).parent
    for name in ("__main__", "process", "debt", "kernel", "pace_plan", "burst", "overhead", "work"):
        assert "continuum" not in (folder / f"{name}.py").read_text(encoding="utf-8"), name
