"""While workloads start, an engine that has ended is a failure, and one that is late is not."""

from __future__ import annotations

from typing import Any

import pytest

from continuum.network.engine import Health, NoEngine
from continuum.pipeline import engine_guard
from continuum.pipeline.engine_guard import EngineGuard


class Engine(NoEngine):
    name = "odd"
    has_process = True

    def __init__(self, *states: Health) -> None:
        self.states = list(states)

    def health(self, *_: Any) -> Health:
        return self.states.pop(0)


def guard(engine: NoEngine) -> EngineGuard:
    return EngineGuard(engine, None, None)  # type: ignore[arg-type]


def test_an_engine_that_has_ended_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_guard, "LEAST_INTERVAL_S", 0.0)
    asked = guard(Engine(Health(alive=True), Health(alive=True, delay_s=None), Health(False, detail="gone")))
    assert [asked.failures() for _ in range(3)] == [
        (),
        (),
        ("the network engine (odd) has ended: gone",),
    ]


def test_it_is_not_asked_all_the_time() -> None:
    asked = guard(Engine(Health(alive=True)))
    assert asked.failures() == asked.failures() == ()  # a second question would find no state


def test_an_engine_without_a_process_is_not_asked() -> None:
    engine = Engine()
    engine.has_process = False  # type: ignore[misc]
    assert guard(engine).failures() == ()
