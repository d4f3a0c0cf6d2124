"""Waits for objects of a cluster, by watches with deadlines."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Mapping
from functools import partial
from typing import Any

from continuum.errors import DeployError
from resource_manager.kubernetes.api_client import Api
from resource_manager.kubernetes.api_retry import retry_while_busy

WATCH_S = 10
"""Longest duration of one watch."""

SILENCE_S = 5
"""Additional time-out of a watch's connection."""

SETTLE_S = 30
"""How long the API may take over one change."""

_AGAIN_S = 0.2
_CONTROL_PLANE = "node-role.kubernetes.io/control-plane"


def states(
    listing: Callable[..., Any],
    deadline: float,
    selection: Mapping[str, Any],
    *,
    heard: Callable[[bool], None] = lambda _heard: None,
    stop: Callable[[], bool] = lambda: False,
    timeout_scale: float = 1.0,
) -> Iterator[dict[str, Any]]:
    """All objects by name: as they are, then again after every change.

    Args:
        listing: the API's method that lists them.
        deadline: on CLOCK_MONOTONIC; ends then.
        selection: further arguments of ``listing``.
        heard: called with whether the API answers.
        stop: whether to end before the deadline.
        timeout_scale: factor on time-outs, see ``continuum.model.node.Node``.
    """
    from kubernetes.client import ApiException
    from urllib3.exceptions import HTTPError

    while time.monotonic() < deadline and not stop():
        try:
            found = listing(**selection, _request_timeout=WATCH_S * timeout_scale)
            heard(True)
            objects = {one.metadata.name: one for one in found.items}
            yield dict(objects)
            version, silence_s = found.metadata.resource_version, SILENCE_S * timeout_scale
            yield from _changes(listing, selection, version, objects, (deadline, silence_s), stop)
        except (ApiException, HTTPError, OSError):
            heard(False)
            time.sleep(_AGAIN_S)  # the API is starting, or the connection was lost


def _changes(
    listing: Callable[..., Any],
    selection: Mapping[str, Any],
    version: str,
    objects: dict[str, Any],
    until: tuple[float, float],
    stop: Callable[[], bool],
) -> Iterator[dict[str, Any]]:
    """The objects after every change, for a while."""
    from kubernetes import watch

    deadline, silence_s = until
    left_s = min(WATCH_S, max(1, round(deadline - time.monotonic())))
    watching: Any = watch.Watch()  # type: ignore[no-untyped-call]
    for event in watching.stream(
        listing,
        **selection,
        resource_version=version,
        timeout_seconds=left_s,
        _request_timeout=left_s + silence_s,
    ):
        one = event["object"]
        if event["type"] == "DELETED":
            objects.pop(one.metadata.name, None)
        else:
            objects[one.metadata.name] = one
        yield dict(objects)
        if time.monotonic() > deadline or stop():
            return


def nodes_ready(api: Api, names: Collection[str], timeout_s: float) -> None:
    """Wait until all of these nodes are Ready; DeployError names those that are not, and why."""
    seen: dict[str, Any] = {}
    for seen in states(api.core.list_node, time.monotonic() + timeout_s, {}, timeout_scale=api.timeout_scale):
        if all(name in seen and not _reason(seen[name]) for name in names):
            return
    lacks = [
        f"{name}: {_reason(seen[name]) if name in seen else 'it has not joined the cluster'}"
        for name in names
        if name not in seen or _reason(seen[name])
    ]
    raise DeployError(f"not Ready within {timeout_s:g} s: {'; '.join(lacks)}")


def _reason(node: Any) -> str:
    """Why a node is not Ready; empty if it is."""
    for condition in node.status.conditions or ():
        if condition.type == "Ready":
            return "" if condition.status == "True" else str(condition.message)
    return "its kubelet has not reported yet"


def settle(api: Api) -> None:
    """Move the cluster's name server to the control plane, so that it uses nothing of the workers.

    Raises:
        DeployError: the API refuses that.
    """
    from kubernetes.client import ApiException
    from urllib3.exceptions import HTTPError

    pod = {"nodeSelector": {_CONTROL_PLANE: ""}}
    change = {"spec": {"replicas": 1, "template": {"spec": pod}}}
    timeout_s = SETTLE_S * api.timeout_scale
    patch = api.apps.patch_namespaced_deployment
    call = partial(patch, "coredns", "kube-system", change, _request_timeout=timeout_s)
    try:
        retry_while_busy(call, api.timeout_scale)
    except (ApiException, HTTPError, OSError) as error:
        raise DeployError(f"the API refuses to move the cluster's name server: {error}") from error
