"""The phases of a run, and how each went."""

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
    """How one phase went.

    Attributes:
        name: one of PHASES.
        status: ``not_run`` when the run ended before it, ``skipped`` when it was not asked for.
        seconds: how long it took.
        started_at: seconds since the epoch; None when it did not start.
        error: what went wrong, in words.
    """

    name: str
    status: Status = "not_run"
    seconds: float = 0.0
    started_at: float | None = None
    error: str = ""
