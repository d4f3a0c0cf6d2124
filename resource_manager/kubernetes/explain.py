"""Explains why a pod does not run: its state, its events and the end of its log."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from resource_manager.kubernetes.api_client import Api
from resource_manager.kubernetes.pod_spec import CONTAINER, NAMESPACE

_LINES = 8
_EVENTS = 3
_REMEDIES = {
    "ErrImageNeverPull": "its image is not on the node; run the config anew, or look at the node's disk",
    "ImagePullBackOff": "its image cannot be fetched; put it into artifact_dir",
    "ErrImagePull": "its image cannot be fetched; put it into artifact_dir",
    "OOMKilled": "it needs more memory; write a larger application_worker_memory",
    "Evicted": "the node ran out of the resource in the message; give it more",
    "Unschedulable": "no node has that much free; write a smaller application_worker_cpu or"
    " application_worker_memory, or give the nodes more",
}


def pod(api: Api, one: Any) -> str:
    """The explanation of a pod that does not run, in several lines."""
    reason, message = state(one)
    lines = [f"{reason}{f': {message}' if message else ''}" if reason else "it has not started yet"]
    if remedy := _REMEDIES.get(reason):
        lines[0] += f" - {remedy}"
    lines += [f"  {line}" for line in (*_events(api, one), *_log(api, one))]
    return "\n".join(lines)


def state(one: Any) -> tuple[str, str]:
    """Reason and message of what keeps a pod from running; empty if it runs."""
    status = one.status
    for container in status.container_statuses or ():
        current, last = container.state, container.last_state
        if current.terminated:
            return _ended(current.terminated)
        if current.waiting and current.waiting.reason not in {"ContainerCreating", "PodInitializing"}:
            if last and last.terminated and current.waiting.reason == "CrashLoopBackOff":
                return _ended(last.terminated)
            return str(current.waiting.reason), str(current.waiting.message or "")
    if status.reason:
        return str(status.reason), str(status.message or "")
    for condition in status.conditions or ():
        if condition.type == "PodScheduled" and condition.status == "False":
            return str(condition.reason or "Unschedulable"), str(condition.message or "")
    return "", ""


def _ended(ended: Any) -> tuple[str, str]:
    return str(ended.reason or "Error"), f"exit status {ended.exit_code}"


def _events(api: Api, one: Any) -> Iterator[str]:
    """The last warnings about a pod, one line each."""
    chosen = f"involvedObject.name={one.metadata.name},type=Warning"
    try:
        found = api.core.list_namespaced_event(NAMESPACE, field_selector=chosen, _request_timeout=10)
    except Exception as error:
        yield f"(its events cannot be read: {_short(error)})"
        return
    for event in found.items[-_EVENTS:]:
        yield f"event {event.reason}: {event.message}"


def _log(api: Api, one: Any) -> Sequence[str]:
    """The end of a pod's log; empty if it has none."""
    for previous in (False, True):
        try:
            text = api.core.read_namespaced_pod_log(
                one.metadata.name,
                NAMESPACE,
                container=CONTAINER,
                tail_lines=_LINES,
                previous=previous,
                _request_timeout=10,
            )
        except Exception:  # noqa: S112 - the container has no log
            continue
        if text and text.strip():
            return [str(line) for line in text.strip().splitlines()]
    return []


def _short(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
