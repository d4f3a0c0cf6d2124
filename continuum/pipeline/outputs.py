"""What the phases of one run have made so far."""

from __future__ import annotations

from dataclasses import dataclass

from continuum.connection.deployment import Deployment
from continuum.model.fidelity import During
from continuum.model.marks import Mark
from continuum.model.result import LinkFidelity
from continuum.modules.job import Job
from continuum.pipeline.result_builder import Snapshot


@dataclass(frozen=True)
class Outputs:
    """What the phases up to ``collect`` made, as far as they came; ``analyse`` reads it.

    Attributes:
        deployment: what exists, from ``provision`` on; replaced by ``install`` and ``shape``.
        jobs: the workloads, from ``deploy`` on, in the order they were started.
        fidelity: the links as measured, from ``verify`` on.
        snapshots: what each node had used, and its clock, before and after the benchmark.
        during: what was observed while the load ran, with times since ``watched_from_s``.
        watched_from_s: when that began, on CLOCK_MONOTONIC.
        incidents: what went wrong without ending the run.
        marks: when instances of workloads reached which stage of their lifecycle, from ``collect`` on.
    """

    deployment: Deployment | None = None
    jobs: tuple[Job, ...] = ()
    fidelity: tuple[LinkFidelity, ...] = ()
    snapshots: tuple[Snapshot, ...] = ()
    during: During | None = None
    watched_from_s: float = 0.0
    incidents: tuple[str, ...] = ()
    marks: tuple[Mark, ...] = ()

    @property
    def existing(self) -> Deployment:
        """The deployment, which must exist by now."""
        assert self.deployment is not None, "used before provision"
        return self.deployment
