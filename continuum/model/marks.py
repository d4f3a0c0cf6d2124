"""When an instance of a workload reached a stage of its lifecycle."""

from __future__ import annotations

from dataclasses import dataclass

CREATED, SCHEDULED, SANDBOX, IMAGE, STARTED, READY, FINISHED = STAGES = (
    "created",
    "scheduled",
    "sandbox",
    "image",
    "started",
    "ready",
    "finished",
)
"""The stages of a life, in order: it was ordered; a node was chosen; its namespaces and network are there;
its image is; its program runs; it said that it is ready; it has ended."""


@dataclass(frozen=True)
class Mark:
    """One instance reached one stage at one clock reading.

    Attributes:
        instance: unique within the run.
        stage: one of ``STAGES``.
        clock_ns: reading of CLOCK_MONOTONIC.
        clock: node whose clock was read; empty for that of the machine Continuum runs on.
        node: node the instance runs on; empty where it is not known yet.
        error_ns: how far from the truth the reading may be, such as half a second where a source only tells
            whole seconds; the error of clocks not included.
        simulated: whether the node only exists for the resource manager, and so nothing really runs there.
    """

    instance: str
    stage: str
    clock_ns: int
    clock: str = ""
    node: str = ""
    error_ns: int = 0
    simulated: bool = False
