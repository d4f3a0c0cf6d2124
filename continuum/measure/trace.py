"""Builds the spans of requests from events. Pure.

A request is ``due`` at its intended time, passes the application's stages one after the other, and is
``done``. The span of a stage lasts from its event to that of the next stage. The rest, such as lateness of
the load generator or the time of a missing event, is the span ``other``. All arithmetic uses integer
nanoseconds, so the spans of a completed request add up to its end-to-end latency exactly.

Readings of different nodes are converted to one clock before they are subtracted. A span may then be negative
by up to the uncertainty of the offsets. It is kept and counted, because truncating it would shift the mean
and break the sum.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Literal, TypeGuard

from continuum.measure.clock import NodeClock
from continuum.model.events import UNREADABLE, Event
from continuum.sdk.protocol import DONE, DUE, FAILED, HELD, LOST

__all__ = ["OTHER", "Counters", "Event", "Outcome", "Request", "Trace", "build"]

OTHER = "other"
"""The stage for time that belongs to no other stage."""

Outcome = Literal["completed", "lost", "failed"]


@dataclass(frozen=True)
class Request:
    """One request from its intended time to its outcome.

    Attributes:
        id: unique within the run.
        node: node that sent it.
        worker: node that processed it; empty if unknown.
        due_ns: intended time on the reference clock; None if unknown.
        warmup: whether it belongs to the warm-up, which no statistic includes.
        outcome: ``completed``: answered; ``lost``: not answered in time; ``failed``: refused, answered with
            an error, or without an intended time.
        spans_ns: time in every known stage. For a completed request they include ``other`` and add up to
            ``end_to_end_ns`` exactly.
        end_to_end_ns: from the intended time to the answer; None unless completed.
        lateness_ns: from the intended time to the first stage, part of ``other``; None if unknown.
        reached: last stage with an event.
        correct: whether the answer was correct; None if unknown.
        label: the answer.
        confidence: confidence of the answer, 0 to 1.
        queue_depth: requests that waited at the worker on its arrival.
    """

    id: str
    node: str
    worker: str
    due_ns: int | None
    warmup: bool
    outcome: Outcome
    spans_ns: Mapping[str, int]
    end_to_end_ns: int | None = None
    lateness_ns: int | None = None
    reached: str = ""
    correct: bool | None = None
    label: str = ""
    confidence: float | None = None
    queue_depth: int | None = None


@dataclass(frozen=True)
class Counters:
    """Anomalies of the events.

    Attributes:
        events: number of all events.
        unreadable: lines that are not events, such as an incomplete line of a killed process.
        unknown_stages: events of stages that the application does not declare.
        duplicates: repeated events of one request and stage; the earliest counts.
        without_due: requests without an intended time.
        missing_events: completed requests without an event of some stage, such as after a crash of the
            worker.
        late_answers: requests that were answered after they had been counted as lost or failed.
        negative_spans: spans below zero.
        impossible_spans: spans below zero by more than the uncertainty of the clock offsets.
        held: requests that waited at their sender because too many were unanswered.
    """

    events: int = 0
    unreadable: int = 0
    unknown_stages: int = 0
    duplicates: int = 0
    without_due: int = 0
    missing_events: int = 0
    late_answers: int = 0
    negative_spans: int = 0
    impossible_spans: int = 0
    held: int = 0


@dataclass(frozen=True)
class Trace:
    """All requests of a run.

    Attributes:
        stages: the application's stages in order, then ``other``.
        requests: in the order of their intended times, warm-up included.
        clock_error_ns: by stage, the largest error of one span due to clock offsets; 0 if the stage begins
            and ends on one clock.
        counters: anomalies of the events.
    """

    stages: tuple[str, ...]
    requests: tuple[Request, ...]
    clock_error_ns: Mapping[str, int] = field(default_factory=dict)
    counters: Counters = field(default_factory=Counters)

    @property
    def start_ns(self) -> int | None:
        """Start of the schedule: the first intended time, warm-up included."""
        return next((request.due_ns for request in self.requests if request.due_ns is not None), None)

    def measured(self, outcome: Outcome | None = None) -> tuple[Request, ...]:
        """Requests after the warm-up, with one outcome or all."""
        return tuple(
            request
            for request in self.requests
            if not request.warmup and (outcome is None or request.outcome == outcome)
        )


def build(
    events: Iterable[Event], stages: Sequence[str], clocks: Mapping[str, NodeClock] | None = None
) -> Trace:
    """Build the trace from events.

    Args:
        events: in any order, from any number of nodes.
        stages: the application's stages, in the order a request goes through them.
        clocks: by name, the clocks of nodes that do not share the reference clock.
    """
    builder = _Builder(tuple(stages), clocks or {})
    for event in events:
        builder.add(event)
    return builder.trace()


class _Builder:
    """Collects events by request and builds the trace."""

    def __init__(self, stages: tuple[str, ...], clocks: Mapping[str, NodeClock]) -> None:
        if OTHER in stages or {DUE, DONE, LOST, FAILED, HELD} & set(stages) or len(set(stages)) < len(stages):
            raise ValueError(f"stages must be different from each other and from the fixed ones: {stages}")
        self._path = (*stages, DONE)
        self._stages = stages
        self._known = {DUE, LOST, FAILED, HELD, *self._path}
        self._clocks = clocks
        self._found: dict[str, dict[str, tuple[int, Event]]] = {}
        self._errors_ns = dict.fromkeys((*stages, OTHER), 0)
        self._counts = dict.fromkeys(Counters.__dataclass_fields__, 0)

    def add(self, event: Event) -> None:
        self._counts["events"] += 1
        if event.stage == UNREADABLE:
            self._counts["unreadable"] += 1
            return
        if event.stage not in self._known:
            self._counts["unknown_stages"] += 1
            if not event.request:
                return
        clock = self._clocks.get(event.node)
        at_ns = clock.to_reference(event.clock_ns) if clock else event.clock_ns
        reached = self._found.setdefault(event.request, {})
        earlier = reached.get(event.stage)
        if earlier is not None:
            self._counts["duplicates"] += event.stage in self._known
        if earlier is None or at_ns < earlier[0]:
            reached[event.stage] = (at_ns, event)

    def trace(self) -> Trace:
        rows = [self._request(ident, reached) for ident, reached in self._found.items()]
        rows.sort(key=lambda row: row[0])
        return Trace(
            stages=(*self._stages, OTHER),
            requests=tuple(request for _, request in rows),
            clock_error_ns=self._errors_ns,
            counters=Counters(**self._counts),
        )

    def _request(
        self, ident: str, reached: Mapping[str, tuple[int, Event]]
    ) -> tuple[tuple[bool, int, str], Request]:
        due = reached.get(DUE)
        outcome = self._outcome(reached)
        spans_ns = self._spans(reached)
        first = min(reached.values(), key=lambda found: found[0])
        detail = {key: value for _, event in reached.values() for key, value in event.detail.items()}
        node = (due or reached.get(DONE) or reached.get(self._path[0]) or first)[1].node
        started = reached.get(self._path[0])
        end_to_end_ns = None
        if outcome == "completed" and due is not None:
            end_to_end_ns = reached[DONE][0] - due[0]
            spans_ns[OTHER] = end_to_end_ns - sum(spans_ns.values())
            self._count_other(reached, spans_ns[OTHER])
        request = Request(
            id=ident,
            node=node,
            worker=str(detail.get("worker") or self._worker(reached, node)),
            due_ns=due[0] if due else None,
            warmup=bool(detail.get("warmup")),
            outcome=outcome,
            spans_ns=spans_ns,
            end_to_end_ns=end_to_end_ns,
            lateness_ns=started[0] - due[0] if started and due else None,
            reached=next((stage for stage in reversed((DUE, *self._path)) if stage in reached), ""),
            **_answer(detail),
        )
        return (due is None, due[0] if due else first[0], ident), request

    def _outcome(self, reached: Mapping[str, Any]) -> Outcome:
        given_up = FAILED in reached or LOST in reached
        self._counts["late_answers"] += given_up and DONE in reached
        self._counts["without_due"] += DUE not in reached
        self._counts["held"] += HELD in reached
        if FAILED in reached or DUE not in reached:
            return "failed"
        return "lost" if given_up or DONE not in reached else "completed"

    def _spans(self, reached: Mapping[str, tuple[int, Event]]) -> dict[str, int]:
        """Spans of the stages with known start and end."""
        spans_ns: dict[str, int] = {}
        for stage, following in pairwise(self._path):
            if stage in reached and following in reached:
                spans_ns[stage] = reached[following][0] - reached[stage][0]
                self._judge(stage, spans_ns[stage], reached[stage][1].node, reached[following][1].node)
        return spans_ns

    def _judge(self, stage: str, span_ns: int, start: str, end: str) -> None:
        """Count the uncertainty of a span, and whether it is possible."""
        error_ns = 0
        if start != end:
            error_ns = sum(self._clocks[node].error_ns for node in (start, end) if node in self._clocks)
            self._errors_ns[stage] = max(self._errors_ns[stage], error_ns)
        self._counts["negative_spans"] += span_ns < 0
        self._counts["impossible_spans"] += span_ns < -error_ns

    def _count_other(self, reached: Mapping[str, tuple[int, Event]], other_ns: int) -> None:
        """Count anomalies of the stage ``other`` of a completed request."""
        missing = [stage for stage in self._stages if stage not in reached]
        self._counts["missing_events"] += bool(missing)
        nodes = {event.node for _, event in reached.values()} if missing else {reached[DUE][1].node}
        error_ns = sum(self._clocks[node].error_ns for node in nodes if node in self._clocks)
        if missing:
            self._errors_ns[OTHER] = max(self._errors_ns[OTHER], error_ns)
        self._counts["negative_spans"] += other_ns < 0
        self._counts["impossible_spans"] += other_ns < (-error_ns if missing else 0)

    def _worker(self, reached: Mapping[str, tuple[int, Event]], node: str) -> str:
        """The node other than the sender on which a stage began; the sender if it ran every stage."""
        stages = [reached[stage][1].node for stage in self._stages if stage in reached]
        alone = node if len(stages) == len(self._stages) else ""
        return next((name for name in stages if name != node), alone)


def _answer(detail: Mapping[str, Any]) -> dict[str, Any]:
    """Details about the answer; values of a wrong type are ignored."""
    correct, confidence, depth = (detail.get(key) for key in ("correct", "confidence", "queue_depth"))
    return {
        "correct": correct if isinstance(correct, bool) else None,
        "label": str(detail.get("label") or ""),
        "confidence": float(confidence) if _is_number(confidence) else None,
        "queue_depth": int(depth) if _is_number(depth) else None,
    }


def _is_number(value: object) -> TypeGuard[float]:
    # The comparison also excludes NaN.
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < float("inf")
