"""Records how each phase of a run went, and sends its log to a file."""

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
"""Packages whose log goes to the files of the phases."""


class Recorder:
    """Times the phases, shows their progress, and writes the log of each to its own file."""

    def __init__(self, progress: Progress) -> None:
        self._phases = {name: Phase(name) for name in PHASES}
        self.progress = progress
        self.run: Run | None = None

    @property
    def phases(self) -> tuple[Phase, ...]:
        """All phases in order, with their status so far."""
        return tuple(self._phases.values())

    def skip(self, *names: str) -> None:
        """Mark these phases as skipped."""
        for name in names:
            self._phases[name] = Phase(name, "skipped")

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Run the body as phase ``name``; records exceptions and re-raises them."""
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
        """Send log records to the log file of the phase, which is created on the first record."""
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
    """Log the error that ends a phase; unexpected exceptions with their traceback."""
    try:
        yield
    except ContinuumError as error:
        logging.getLogger(__name__).error("%s", error)
        raise
    except Exception:
        logging.getLogger(__name__).exception("failed")
        raise
