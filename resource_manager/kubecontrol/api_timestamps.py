"""Timestamps of pods from the API: from the pods' own objects, and from events about them. Pure.

Most of them are whole seconds. Names of events are more exact: client-go names an event after its object and
the time in ns, in hexadecimal (``makeEvent`` in ``k8s.io/client-go/tools/record/event.go``).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from typing import Any

from continuum.model.marks import CREATED, FINISHED, IMAGE, READY, SANDBOX, SCHEDULED, STARTED
from resource_manager.kubecontrol import simulated_nodes
from resource_manager.kubecontrol.pod_timestamps import PodTimestamp, parse_timestamp

Json = Mapping[str, Any]

_CONDITIONS = {"PodScheduled": SCHEDULED, "PodReadyToStartContainers": SANDBOX, "Ready": READY}
_REASONS = {"Scheduled": SCHEDULED, "Pulled": IMAGE, "Started": STARTED}
_NAMED = re.compile(r"\.([0-9a-f]{16})$")
_CONTAINER = re.compile(r"spec\.containers\{(.+)\}")


def of_pod(pod: Json, control_plane: str) -> Iterator[PodTimestamp]:
    """The timestamps in a pod's object; those that are missing or malformed are left out.

    Args:
        pod: the object, as JSON.
        control_plane: the node whose clock API server and scheduler read.
    """
    metadata, status = pod.get("metadata") or {}, pod.get("status") or {}
    name = str(metadata.get("name", ""))
    # KWOK, which runs on the control plane, reports on behalf of simulated nodes.
    node = control_plane if is_simulated(pod) else str((pod.get("spec") or {}).get("nodeName") or "")
    yield from _timestamp(name, CREATED, metadata.get("creationTimestamp"), control_plane)
    for condition in status.get("conditions") or ():
        stage = _CONDITIONS.get(str(condition.get("type")))
        if stage and condition.get("status") == "True":
            clock = control_plane if stage == SCHEDULED else node
            yield from _timestamp(name, stage, condition.get("lastTransitionTime"), clock)
    for container in status.get("containerStatuses") or ():
        yield from _of_container(name, node, container)


def is_simulated(pod: Json) -> bool:
    """Whether a pod is for simulated nodes."""
    labels = (pod.get("metadata") or {}).get("labels") or {}
    return simulated_nodes.LABEL.items() <= labels.items()


def earliest_ns(pod: Json) -> int:
    """The earliest time at which a pod can have been created, in ns since 1970; 0 where it is unknown."""
    try:
        wall_ns, error_ns = parse_timestamp(str((pod.get("metadata") or {}).get("creationTimestamp")))
    except ValueError:
        return 0
    return wall_ns - error_ns


def _of_container(pod_name: str, node: str, status: Json) -> Iterator[PodTimestamp]:
    """When a container's program started and ended; its first end counts, not that of later attempts."""
    name = str(status.get("name", ""))
    first = (status.get("lastState") or {}).get("terminated")
    now = status.get("state") or {}
    ended = first or now.get("terminated")
    running = ended or now.get("running")
    if running:
        yield from _timestamp(pod_name, STARTED, running.get("startedAt"), node, name)
    if ended:
        yield from _timestamp(pod_name, FINISHED, ended.get("finishedAt"), node, name)


def of_events(items: Iterable[Json], control_plane: str, uids: AbstractSet[str]) -> Iterator[PodTimestamp]:
    """The timestamps in events about pods; events about anything else are left out.

    Args:
        items: the events, as JSON.
        control_plane: the node whose clock the scheduler reads.
        uids: of the pods that count; others may have had the same names.
    """
    for event in items:
        about, stage = event.get("involvedObject") or {}, _REASONS.get(str(event.get("reason")))
        when = event.get("eventTime") or event.get("firstTimestamp")
        if stage is None or about.get("uid") not in uids or not when:
            continue
        host = str((event.get("source") or {}).get("host") or event.get("reportingInstance") or "")
        container = _CONTAINER.fullmatch(str(about.get("fieldPath") or ""))
        clock = control_plane if stage == SCHEDULED else host
        try:
            wall_ns, error_ns = _exact(event, *parse_timestamp(str(when)))
        except ValueError:
            continue
        name, of_container = str(about.get("name", "")), container[1] if container else ""
        yield PodTimestamp(name, stage, wall_ns, clock, of_container, error_ns)


def _exact(event: Json, wall_ns: int, error_ns: int) -> tuple[int, int]:
    """The time in an event's name, if it has one that agrees with the time in the event itself."""
    match = _NAMED.search(str((event.get("metadata") or {}).get("name") or ""))
    named_ns = int(match[1], 16) if match else 0
    return (named_ns, 0) if abs(named_ns - wall_ns) <= error_ns else (wall_ns, error_ns)


def _timestamp(
    pod_name: str, stage: str, when: object, clock: str, container: str = ""
) -> Iterator[PodTimestamp]:
    """One timestamp; none where the time is missing or malformed."""
    try:
        wall_ns, error_ns = parse_timestamp(str(when))
    except ValueError:
        return
    yield PodTimestamp(pod_name, stage, wall_ns, clock, container, error_ns)
