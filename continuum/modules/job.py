"""A workload that has been started on its nodes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Protocol

from continuum.model.marks import Mark
from continuum.model.workload import Workload


class Failing(Protocol):
    """What may fail while others wait."""

    def failures(self) -> tuple[str, ...]:
        """Failures so far, one line each."""


class Job(ABC):
    """All replicas of one workload, started.

    Attributes:
        workload: what runs.
    """

    workload: Workload

    @abstractmethod
    def wait_ready(self, timeout: float, others: Sequence[Failing] = ()) -> None:
        """Return when every replica has said it is ready.

        Args:
            timeout: longest wait in seconds.
            others: what the replicas depend on, such as jobs that have started; the wait ends when one fails.

        Raises:
            DeployError: a replica is not ready, or one of ``others`` has failed; the message names it.
        """

    @abstractmethod
    def release(self) -> None:
        """Signal every replica to begin its work."""

    @abstractmethod
    def progress(self) -> Mapping[str, float]:
        """Sum over all replicas of the numbers that each reported last, by name."""

    @abstractmethod
    def failures(self) -> tuple[str, ...]:
        """Failures of replicas so far, one line each."""

    @abstractmethod
    def is_done(self) -> bool:
        """Whether every replica has ended."""

    @abstractmethod
    def stop(self, timeout: float) -> None:
        """Ask every replica to write its events and end; end it by force after ``timeout`` seconds."""

    @abstractmethod
    def fetch(self, to: Path) -> None:
        """Copy the events of every replica to ``to``/<node>/<workload>-<replica>/events.jsonl."""

    def marks(self) -> Iterable[Mark]:
        """When each replica reached each stage of its lifecycle, as far as known; called after ``fetch``."""
        return ()
