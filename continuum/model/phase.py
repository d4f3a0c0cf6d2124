"""The phases of a run, with status and duration."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Status = Literal["not_run", "ok", "failed", "skipped"]


PHASES = (
    "check",
    "probe",
    "provision",
    "install",
    "deploy",
    "shape",
    "verify",
    "benchmark",
    "collect",
    "analyse",
    "report",
    "teardown",
)


@dataclass(frozen=True)
class Phase:
    """The course of one phase.

    Attributes:
        name: one of PHASES.
        status: ``not_run`` if the run ended before it, ``skipped`` if it was not requested.
        seconds: its duration.
        started_at: seconds since the epoch; None if it did not start.
        error: error message; empty if it did not fail.
    """

    name: str
    status: Status = "not_run"
    seconds: float = 0.0
    started_at: float | None = None
    error: str = ""
