"""Timestamps of pods from containerd's log, which are more exact than those of the API. Pure.

containerd logs a pod's name once, when its sandbox is ready; later lines have the ids of sandboxes and
containers. Versions 1 and 2 format the same messages differently.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from collections.abc import Set as AbstractSet

from continuum.model.marks import IMAGE, SANDBOX, STARTED
from resource_manager.kubecontrol.pod_timestamps import PodTimestamp, parse_timestamp

_LINE = re.compile(r'time="(?P<time>[^"]+)" level=info msg="(?P<said>(?:[^"\\]|\\.)*)"')
_FIELD = r'(?:Name:(?P<name>[^,}]+)|name:"(?P<quoted>[^"]+)")'
_UID = r'(?:Uid:(?P<uid>[^,}]+)|uid:"(?P<quoted_uid>[^"]+)")'
_SANDBOX = re.compile(rf'RunPodSandbox for .*?{_FIELD}.*?{_UID}.* returns sandbox id "(?P<id>\w+)"')
_CREATE = re.compile(rf'CreateContainer within sandbox "(?P<sandbox>\w+)" for container .*?{_FIELD}')
_CREATED = re.compile(
    rf'CreateContainer within sandbox "(?P<sandbox>\w+)" for (?!container ).*?{_FIELD}'
    r'.* returns container id "(?P<id>\w+)"'
)
_STARTED = re.compile(r'StartContainer for "(?P<id>\w+)" returns successfully')


def read(lines: Iterable[str], node: str, uids: AbstractSet[str]) -> Iterator[PodTimestamp]:
    """Timestamps of the pods on one node, from the log of its containerd.

    A sandbox is ready when containerd has created it; an image is there when the first container is created
    from it; a program has started when containerd has started it. Other lines are skipped.

    Args:
        lines: of the log.
        node: the node.
        uids: of the pods that count; others may have had the same names.
    """
    pods: dict[str, str] = {}
    containers: dict[str, tuple[str, str]] = {}
    for line in lines:
        found = _LINE.search(line)
        if found is None:
            continue
        said = found["said"].replace('\\"', '"')
        try:
            wall_ns, error_ns = parse_timestamp(found["time"])
        except ValueError:
            continue
        if (match := _SANDBOX.match(said)) and (match["uid"] or match["quoted_uid"]) in uids:
            pods[match["id"]] = _name(match)
            yield PodTimestamp(pods[match["id"]], SANDBOX, wall_ns, node, error_ns=error_ns)
        elif (match := _CREATE.match(said)) and match["sandbox"] in pods:
            yield PodTimestamp(pods[match["sandbox"]], IMAGE, wall_ns, node, _name(match), error_ns)
        elif (match := _CREATED.match(said)) and match["sandbox"] in pods:
            containers[match["id"]] = pods[match["sandbox"]], _name(match)
        elif (match := _STARTED.match(said)) and match["id"] in containers:
            pod, container = containers[match["id"]]
            yield PodTimestamp(pod, STARTED, wall_ns, node, container, error_ns)


def _name(match: re.Match[str]) -> str:
    return match["name"] or match["quoted"]
