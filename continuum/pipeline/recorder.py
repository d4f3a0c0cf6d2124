"""The phases of a run and the record of how each went."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from continuum.errors import ContinuumError
from continuum.model.phase import PHASES, Phase
from continuum.pipeline.progress import Progress
from continuum.rundir.run import Run

LOGGERS = ("continuum", "infrastructure", "resource_manager", "execution_model", "application")
"""The packages whose logging goes to the phases' files."""


class Recorder:
    """Times the phases, shows them, and sends the log to each phase's own file."""

    def __init__(self, progress: Progress) -> None:
        self._phases = {name: Phase(name) for name in PHASES}
        self.progress = progress
        self.run: Run | None = None

    @property
    def phases(self) -> tuple[Phase, ...]:
        """All phases in their order, as far as they have come."""
        return tuple(self._phases.values())

    def skip(self, *names: str) -> None:
        """Say that these phases are not part of this run."""
        for name in names:
            self._phases[name] = Phase(name, "skipped")

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Run the body as phase ``name``; what it raises is recorded and goes on."""
        started_at, start = time.time(), time.monotonic()
        phase = Phase(name, "failed", 0.0, started_at)
        self.progress.phase_started(name)
        try:
            with self._logged(name), _failure_logged():
                yield
            phase = replace(phase, status="ok")
        except BaseException as error:
            phase = replace(phase, error=str(error))
            raise
        finally:
            phase = replace(phase, seconds=time.monotonic() - start)
            self._phases[name] = phase
            self.progress.phase_ended(name, phase.status == "ok", phase.seconds)

    @contextmanager
    def _logged(self, name: str) -> Iterator[None]:
        """Send what is logged meanwhile to the phase's log file, made only when there is something."""
        if self.run is None:
            yield
            return
        handler = logging.FileHandler(self.run.log(name), delay=True, encoding="utf-8")
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
        loggers = [logging.getLogger(package) for package in LOGGERS]
        for logger in loggers:
            logger.addHandler(handler)
        try:
            yield
        finally:
            for logger in loggers:
                logger.removeHandler(handler)
            handler.close()


@contextmanager
def _failure_logged() -> Iterator[None]:
    """Leave a trace of what went wrong in the phase's log; of our own mistakes, all of it."""
    try:
        yield
    except ContinuumError as error:
        logging.getLogger(__name__).error("%s", error)
        raise
    except Exception:
        logging.getLogger(__name__).exception("failed")
        raise
