"""The application ``stress``: instances that each keep a processor busy."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from application.empty import Empty
from continuum.options import Duration, Option


class Stress(Empty):
    """Instances that report that they are ready, compute for some time, and end."""

    summary: ClassVar[str] = "instances that each keep a processor busy: how a manager starts and shares them"
    options: ClassVar[tuple[Option, ...]] = (
        Option("benchmark", "stress_app_timeout", Duration(minimum=1), 60.0, "How long each instance works."),
    )
    stages: ClassVar[tuple[str, ...]] = ("compute",)
    processing: ClassVar[str] = "compute"
    time_key: ClassVar[str] = "stress_app_timeout"
    program: ClassVar[Path] = Path(__file__).with_name("stresser.py")


MODULE = Stress
