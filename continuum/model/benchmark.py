"""What an application and its instances did in a run, as part of the result."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from continuum.model.summary import Summary


@dataclass(frozen=True)
class RequestCounts:
    """Requests by outcome, without warm-up: ``sent`` = ``completed`` + ``lost`` + ``failed``.

    Attributes:
        sent: sent after the warm-up.
        completed: answered.
        lost: not answered in time.
        failed: refused, answered with an error, or without an intended time.
        warmup: sent during the warm-up; no other number includes them.
    """

    sent: int = 0
    completed: int = 0
    lost: int = 0
    failed: int = 0
    warmup: int = 0


@dataclass(frozen=True)
class Benchmark:
    """The statistics of an application.

    Attributes:
        application: its name.
        resource_manager: the resource manager.
        model: the execution model; empty if there was none.
        load: the offered load, such as frequency and duration; results are comparable only if these are
            equal.
        requests: requests by outcome.
        offered_per_s: arrival rate of the schedule, all endpoints together.
        throughput_per_s: completed requests per second of the schedule.
        schedule_s: length of the schedule after the warm-up.
        endpoints: nodes that sent requests.
        workers: nodes that processed them.
        capacity: requests that all workers can process at the same time.
        accuracy: share of correct answers, 0 to 1; None if unknown.
        system_load_percent: offered work over capacity; from 100 on, the queue grows without bound.
        stages: the stages in order, ``other`` last.
        end_to_end_ms: latency from the intended time to the answer.
        stages_ms: the same for every stage.
        lateness_ms: delay of the load generator, part of the stage ``other``.
        queue_depth: requests waiting at the worker on arrival of another.
        counters: anomalies of the events, see ``continuum.measure.trace.Counters``.
    """

    application: str
    resource_manager: str = "none"
    model: str = ""
    load: Mapping[str, Any] = field(default_factory=dict)
    requests: RequestCounts = field(default_factory=RequestCounts)
    offered_per_s: float | None = None
    throughput_per_s: float | None = None
    schedule_s: float | None = None
    endpoints: int = 0
    workers: int = 0
    capacity: int | None = None
    accuracy: float | None = None
    system_load_percent: float | None = None
    stages: tuple[str, ...] = ()
    end_to_end_ms: Summary = field(default_factory=Summary)
    stages_ms: Mapping[str, Summary] = field(default_factory=dict)
    lateness_ms: Summary = field(default_factory=Summary)
    queue_depth: Summary = field(default_factory=Summary)
    counters: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Lifecycle:
    """How long instances of workloads took to start and to end.

    Attributes:
        instances: number of instances.
        stages: the stages known for at least one instance, in order.
        reached: by stage, number of instances known to have reached it.
        since_created_ms: by stage, time since the creation of an instance.
        step_ms: by stage, time since the preceding stage known for the instance.
        all_ms: by stage, time from the first creation until the last instance reached it.
    """

    instances: int = 0
    stages: tuple[str, ...] = ()
    reached: Mapping[str, int] = field(default_factory=dict)
    since_created_ms: Mapping[str, Summary] = field(default_factory=dict)
    step_ms: Mapping[str, Summary] = field(default_factory=dict)
    all_ms: Mapping[str, float] = field(default_factory=dict)
