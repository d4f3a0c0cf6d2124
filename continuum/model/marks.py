"""Marks: an instance of a workload reached a stage of its lifecycle."""

from __future__ import annotations

from dataclasses import dataclass

from continuum.sdk.protocol import FINISHED, READY, STARTED

__all__ = ["CREATED", "FINISHED", "IMAGE", "READY", "SANDBOX", "SCHEDULED", "STAGES", "STARTED", "Mark"]

CREATED, SCHEDULED, SANDBOX, IMAGE = "created", "scheduled", "sandbox", "image"
STAGES = (
    CREATED,
    SCHEDULED,
    SANDBOX,
    IMAGE,
    STARTED,
    READY,
    FINISHED,
)
"""The stages of an instance, in order: requested; assigned to a node; its namespaces and network exist; its
image is on the node; its program runs; it reported that it is ready; it has ended."""


@dataclass(frozen=True)
class Mark:
    """One instance reached one stage at one clock reading.

    Attributes:
        instance: unique within the run.
        stage: one of ``STAGES``.
        clock_ns: reading of CLOCK_MONOTONIC.
        clock: node whose clock was read; empty for the clock of the host that Continuum runs on.
        node: node the instance runs on; empty if not known yet.
        error_ns: uncertainty of the reading, such as half a second for a source with whole seconds; without
            the uncertainty of clock offsets.
        simulated: whether the node exists only in the resource manager and nothing runs on it.
    """

    instance: str
    stage: str
    clock_ns: int
    clock: str = ""
    node: str = ""
    error_ns: int = 0
    simulated: bool = False
