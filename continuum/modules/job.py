"""All replicas of one workload, started."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from pathlib import Path

from continuum.model.marks import Mark
from continuum.model.workload import Workload


class Job(ABC):
    """All replicas of one workload, started."""

    workload: Workload

    @abstractmethod
    def wait_ready(self, timeout: float) -> None:
        """Return when every replica has said it is ready; DeployError names the one that is not."""

    @abstractmethod
    def release(self) -> None:
        """Let every replica begin its work."""

    @abstractmethod
    def progress(self) -> Mapping[str, float]:
        """Sum over the replicas of the numbers they last reported, by name."""

    @abstractmethod
    def failures(self) -> tuple[str, ...]:
        """What has gone wrong with replicas so far, one line each."""

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
        """When replicas reached which stage of their lives, as far as is known; asked at the end."""
        return ()
