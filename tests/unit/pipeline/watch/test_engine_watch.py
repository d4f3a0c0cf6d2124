"""Death and stalls of a network engine."""

from continuum.network.engine import Health
from continuum.pipeline.watch.engine_watch import MOST_STALLS, EngineWatch

ALIVE = Health(alive=True)
SILENT = Health(alive=True, delay_s=None)


def late(delay_s: float) -> Health:
    return Health(alive=True, delay_s=delay_s)


def test_an_engine_that_keeps_up_disturbs_nothing() -> None:
    watch = EngineWatch("fabric", 200)
    assert [watch.note(at, late(0.2), 0.2) for at in (0.0, 0.5, 1.0)] == [200, 200, 200]
    assert watch.disturbances == []
    assert (watch.checks, watch.longest_stall_ms) == (3, 200)


def test_a_death_is_told_once_with_its_second() -> None:
    watch = EngineWatch("fabric", 200)
    watch.note(1.0, ALIVE, 0.0)
    gone = Health(alive=False, delay_s=None, detail="connection refused")
    assert watch.note(1.5, gone, 0.0) is None
    assert watch.note(2.0, gone, 0.0) is None
    (found,) = watch.disturbances
    assert (found.kind, found.at_s) == ("engine_dead", 1.5)
    assert (
        found.reason
        == "the network engine (fabric) has died: connection refused (1.5 s after the start of the load)"
    )


def test_a_stall_is_judged_by_when_the_engine_handled_the_request() -> None:
    watch = EngineWatch("fabric", 200)
    # The watcher itself waited for a CPU; the engine did not.
    watch.note(1.0, late(0.001), 3.0)
    assert watch.disturbances == []
    watch.note(4.0, late(1.3), 1.3)
    (found,) = watch.disturbances
    assert (found.kind, found.at_s) == ("engine_stalled", 4.0)
    assert "at least 1300 ms (tolerated: 200 ms)" in found.reason


def test_time_outs_of_one_stall_are_one_disturbance() -> None:
    watch = EngineWatch("fabric", 200)
    for at in (1.0, 3.0, 5.0):
        watch.note(at, SILENT, 2.0)
    watch.note(7.0, late(0.5), 0.5)
    watch.note(8.0, ALIVE, 0.0)
    (found,) = watch.disturbances
    assert found.at_s == 1.0
    assert "at least 6500 ms" in found.what
    assert watch.longest_stall_ms == 6500


def test_many_stalls_do_not_fill_the_result() -> None:
    watch = EngineWatch("fabric", 200)
    for at in range(50):
        watch.note(at, late(0.3), 0.3)
        watch.note(at + 0.5, ALIVE, 0.0)
    assert len(watch.disturbances) == MOST_STALLS
