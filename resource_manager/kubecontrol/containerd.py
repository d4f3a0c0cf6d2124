"""What containerd's log tells about pods: to the microsecond, unlike the API. Pure.

It names pods once, when their sandbox is there; from then on it speaks of sandboxes and containers by their
ids. Versions 1 and 2 write the same things in two ways.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from collections.abc import Set as AbstractSet

from continuum.model.marks import IMAGE, SANDBOX, STARTED
from resource_manager.kubecontrol.told import Told, stamp

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


def read(lines: Iterable[str], node: str, uids: AbstractSet[str]) -> Iterator[Told]:
    """The lives of pods on one node, from the log of its containerd.

    A sandbox is there when containerd says so; an image is there when the first container is made of it; a
    program has started when containerd says that it has. Lines of another form are passed over.

    Args:
        lines: of the log.
        node: whose it is.
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
            wall_ns, error_ns = stamp(found["time"])
        except ValueError:
            continue
        if (match := _SANDBOX.match(said)) and (match["uid"] or match["quoted_uid"]) in uids:
            pods[match["id"]] = _name(match)
            yield Told(pods[match["id"]], SANDBOX, wall_ns, node, error_ns=error_ns)
        elif (match := _CREATE.match(said)) and match["sandbox"] in pods:
            yield Told(pods[match["sandbox"]], IMAGE, wall_ns, node, _name(match), error_ns)
        elif (match := _CREATED.match(said)) and match["sandbox"] in pods:
            containers[match["id"]] = pods[match["sandbox"]], _name(match)
        elif (match := _STARTED.match(said)) and match["id"] in containers:
            pod, container = containers[match["id"]]
            yield Told(pod, STARTED, wall_ns, node, container, error_ns)


def _name(match: re.Match[str]) -> str:
    return match["name"] or match["quoted"]
