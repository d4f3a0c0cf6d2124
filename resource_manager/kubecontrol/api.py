"""What the API tells about pods: their own objects, and events about them. Pure.

Most of its times are whole seconds. Events know more: client-go names them after their object and the time in
ns, in hexadecimal (``makeEvent`` in ``k8s.io/client-go/tools/record/event.go``).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from typing import Any

from continuum.model.marks import CREATED, FINISHED, IMAGE, READY, SANDBOX, SCHEDULED, STARTED
from resource_manager.kubecontrol import simulated
from resource_manager.kubecontrol.told import Told, stamp

Json = Mapping[str, Any]

_CONDITIONS = {"PodScheduled": SCHEDULED, "PodReadyToStartContainers": SANDBOX, "Ready": READY}
_REASONS = {"Scheduled": SCHEDULED, "Pulled": IMAGE, "Started": STARTED}
_NAMED = re.compile(r"\.([0-9a-f]{16})$")
_CONTAINER = re.compile(r"spec\.containers\{(.+)\}")


def pod(one: Json, control_plane: str) -> Iterator[Told]:
    """What a pod's object says of its life.

    Args:
        one: the object, as JSON.
        control_plane: the node whose clock the API server and the scheduler read.
    """
    name, status = str(one["metadata"]["name"]), one.get("status", {})
    # What is said of a simulated node is said by KWOK, which is on the control plane.
    node = control_plane if is_simulated(one) else str(one.get("spec", {}).get("nodeName") or "")
    yield _told(name, CREATED, one["metadata"]["creationTimestamp"], control_plane)
    for condition in status.get("conditions") or ():
        stage = _CONDITIONS.get(condition["type"])
        if stage and condition["status"] == "True" and condition.get("lastTransitionTime"):
            clock = control_plane if stage == SCHEDULED else node
            yield _told(name, stage, condition["lastTransitionTime"], clock)
    for container in status.get("containerStatuses") or ():
        yield from _container(name, node, container)


def is_simulated(one: Json) -> bool:
    """Whether a pod is for simulated nodes."""
    return simulated.LABEL.items() <= (one["metadata"].get("labels") or {}).items()


def born_ns(one: Json) -> int:
    """When a pod was created at the earliest, in ns since 1970."""
    wall_ns, error_ns = stamp(one["metadata"]["creationTimestamp"])
    return wall_ns - error_ns


def _container(pod_name: str, node: str, status: Json) -> Iterator[Told]:
    """When a container's program began and ended; a first end counts, not that of later attempts."""
    name = str(status["name"])
    first = (status.get("lastState") or {}).get("terminated")
    now = status.get("state") or {}
    ended = first or now.get("terminated")
    running = ended or now.get("running")
    if running and running.get("startedAt"):
        yield _told(pod_name, STARTED, running["startedAt"], node, name)
    if ended and ended.get("finishedAt"):
        yield _told(pod_name, FINISHED, ended["finishedAt"], node, name)


def events(items: Iterable[Json], control_plane: str, uids: AbstractSet[str]) -> Iterator[Told]:
    """What events say of the lives of pods; those that say nothing of it are left out.

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
        wall_ns, error_ns = _exactly(event, *stamp(when))
        yield Told(str(about["name"]), stage, wall_ns, clock, container[1] if container else "", error_ns)


def _exactly(event: Json, wall_ns: int, error_ns: int) -> tuple[int, int]:
    """The time in an event's name, if there is one and it is within what the event itself tells."""
    match = _NAMED.search(str(event.get("metadata", {}).get("name") or ""))
    named_ns = int(match[1], 16) if match else 0
    return (named_ns, 0) if abs(named_ns - wall_ns) <= error_ns else (wall_ns, error_ns)


def _told(pod_name: str, stage: str, when: str, clock: str, container: str = "") -> Told:
    wall_ns, error_ns = stamp(when)
    return Told(pod_name, stage, wall_ns, clock, container, error_ns)
