"""Lives of pods from what the API, containerd and kubectl tell: pure."""

from __future__ import annotations

import io
import json
import tarfile
from itertools import chain

import pytest

from continuum.measure import lifecycle
from continuum.model.workload import Workload
from resource_manager.kubecontrol import (
    api_timestamps,
    containerd_timestamps,
    kubectl_timestamps,
    pod_manifests,
)
from resource_manager.kubecontrol.pod_timestamps import (
    Instance,
    PodTimestamp,
    WallClock,
    marks,
    parse_timestamp,
)
from resource_manager.kubernetes.pod_spec import Share, Start

S = 1_000_000_000
T0 = 1_795_254_000 * S
"""2026-11-21T09:40:00Z in ns since 1970."""
TOLD = "lastTransitionTime"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-11-21T09:40:00Z", (T0 + S // 2, S // 2)),
        ("2026-11-21T09:40:00.25Z", (T0 + S // 4, 0)),
        ("2026-11-21T09:40:01.123456789Z", (T0 + S + 123_456_789, 0)),
        ("2026-11-21T11:40:00.000001+02:00", (T0 + 1000, 0)),
    ],
)
def test_times_keep_what_they_know(text: str, expected: tuple[int, int]) -> None:
    assert parse_timestamp(text) == expected


def test_what_is_no_time_is_refused() -> None:
    with pytest.raises(ValueError, match="not a time: 'yesterday'"):
        parse_timestamp("yesterday")


POD = {
    "metadata": {"name": "sleeper-3", "creationTimestamp": "2026-11-21T09:40:00Z"},
    "spec": {"nodeName": "cloud1"},
    "status": {
        "conditions": [
            {"type": "PodScheduled", "status": "True", TOLD: "2026-11-21T09:40:01Z"},
            {"type": "PodReadyToStartContainers", "status": "True", TOLD: "2026-11-21T09:40:02Z"},
            {"type": "Ready", "status": "False", TOLD: "2026-11-21T09:41:00Z"},
        ],
        "containerStatuses": [
            {
                "name": "workload",
                "state": {
                    "terminated": {"startedAt": "2026-11-21T09:40:03Z", "finishedAt": "2026-11-21T09:41:00Z"}
                },
            }
        ],
    },
}  # fmt: skip


def test_a_pods_own_object_tells_whole_seconds() -> None:
    told = list(api_timestamps.of_pod(POD, "cloud0"))
    seconds = [(one.stage, (one.wall_ns - T0) / S, one.clock, one.container) for one in told]
    assert seconds == [
        ("created", 0.5, "cloud0", ""),
        ("scheduled", 1.5, "cloud0", ""),
        ("sandbox", 2.5, "cloud1", ""),
        ("started", 3.5, "cloud1", "workload"),
        ("finished", 60.5, "cloud1", "workload"),
    ]
    assert {one.error_ns for one in told} == {S // 2}


def test_a_container_that_was_started_again_lived_once() -> None:
    again = {"running": {"startedAt": "2026-11-21T09:40:30Z"}}
    first = {"terminated": {"startedAt": "2026-11-21T09:40:03Z", "finishedAt": "2026-11-21T09:40:09Z"}}
    status = {"containerStatuses": [{"name": "workload", "state": again, "lastState": first}]}
    told = {one.stage: one.wall_ns for one in api_timestamps.of_pod({**POD, "status": status}, "cloud0")}
    assert (told["started"] - T0, told["finished"] - T0) == (3.5 * S, 9.5 * S)


def test_a_pod_that_waits_has_been_created_only() -> None:
    waiting = {"metadata": POD["metadata"], "spec": {}, "status": {"phase": "Pending"}}
    assert [one.stage for one in api_timestamps.of_pod(waiting, "cloud0")] == ["created"]


def test_events_of_the_scheduler_know_microseconds() -> None:
    about = {"kind": "Pod", "name": "sleeper-3", "uid": "u"}
    scheduled = {
        "reason": "Scheduled",
        "involvedObject": about,
        "eventTime": "2026-11-21T09:40:00.123456Z",
        "reportingInstance": "default-scheduler-cloud0",
    }
    pulled = {
        "reason": "Pulled",
        "involvedObject": {**about, "fieldPath": "spec.containers{workload}"},
        "firstTimestamp": "2026-11-21T09:40:02Z",
        "source": {"component": "kubelet", "host": "cloud1"},
    }
    other = {"reason": "Killing", "involvedObject": about, "firstTimestamp": "2026-11-21T09:40:02Z"}
    earlier = {**scheduled, "involvedObject": {**about, "uid": "of a pod of the same name"}}
    told = list(api_timestamps.of_events([scheduled, pulled, other, earlier], "cloud0", {"u"}))
    assert told == [
        PodTimestamp("sleeper-3", "scheduled", T0 + 123_456_000, "cloud0"),
        PodTimestamp("sleeper-3", "image", T0 + 2 * S + S // 2, "cloud1", "workload", S // 2),
    ]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (f"sleeper-3.{T0 + 123:016x}", (T0 + 123, 0)),
        (f"sleeper-3.{T0 + 9 * S:016x}", (T0 + S // 2, S // 2)),
        ("sleeper-3.deadbeef", (T0 + S // 2, S // 2)),
    ],
)
def test_names_of_events_tell_nanoseconds_where_they_are_true(name: str, expected: tuple[int, int]) -> None:
    event = {
        "metadata": {"name": name},
        "reason": "Scheduled",
        "involvedObject": {"kind": "Pod", "name": "sleeper-3", "uid": "u"},
        "eventTime": None,
        "firstTimestamp": "2026-11-21T09:40:00Z",
    }
    (told,) = api_timestamps.of_events([event], "cloud0", {"u"})
    assert (told.wall_ns, told.error_ns) == expected


def line(seconds: str, said: str) -> str:
    quoted = said.replace('"', '\\"')
    return f'time="2026-11-21T09:40:{seconds}Z" level=info msg="{quoted}"'


SANDBOX, CONTAINER = "5a" * 32, "c0" * 32
V1 = [
    line("00.1", "RunPodSandbox for &PodSandboxMetadata{Name:sleeper-3,Uid:u,Namespace:default,Attempt:0,}"),
    line(
        "00.2",
        "RunPodSandbox for &PodSandboxMetadata{Name:sleeper-3,Uid:u,Namespace:default,Attempt:0,}"
        f' returns sandbox id "{SANDBOX}"',
    ),
    line(
        "00.3",
        f'CreateContainer within sandbox "{SANDBOX}" for container'
        " &ContainerMetadata{Name:workload,Attempt:0,}",
    ),
    line(
        "00.4",
        f'CreateContainer within sandbox "{SANDBOX}" for &ContainerMetadata{{Name:workload,Attempt:0,}}'
        f' returns container id "{CONTAINER}"',
    ),
    line("00.5", f'StartContainer for "{CONTAINER}"'),
    line("00.6", f'StartContainer for "{CONTAINER}" returns successfully'),
]
V2 = [
    line(
        "00.2",
        f'RunPodSandbox for name:"sleeper-3" uid:"u" namespace:"default" returns sandbox id "{SANDBOX}"',
    ),
    line("00.3", f'CreateContainer within sandbox "{SANDBOX}" for container name:"workload"'),
    line(
        "00.4",
        f'CreateContainer within sandbox "{SANDBOX}" for name:"workload" returns container id "{CONTAINER}"',
    ),
    line("00.6", f'StartContainer for "{CONTAINER}" returns successfully'),
]


@pytest.mark.parametrize("log", [V1, V2], ids=["version 1", "version 2"])
def test_containerds_log_knows_sandbox_image_and_start(log: list[str]) -> None:
    noise = ["half a li", 'time="no" level=info msg="x"', line("00.9", 'StartContainer for "other"')]
    told = list(containerd_timestamps.read([*noise, *log, *noise], "cloud1", {"u"}))
    assert told == [
        PodTimestamp("sleeper-3", "sandbox", T0 + 200_000_000, "cloud1"),
        PodTimestamp("sleeper-3", "image", T0 + 300_000_000, "cloud1", "workload"),
        PodTimestamp("sleeper-3", "started", T0 + 600_000_000, "cloud1", "workload"),
    ]


def test_containers_of_sandboxes_that_were_there_before_are_nobodys() -> None:
    assert list(containerd_timestamps.read(V1[2:], "cloud1", {"u"})) == []
    assert list(containerd_timestamps.read(V1, "cloud1", {"of a later pod of the same name"})) == []


PLAIN = (
    "I1121 09:40:00.250000      77 round_trippers.go:553]"
    " POST https://192.0.2.1:6443/api/v1/namespaces/default/pods?fieldManager=kubectl-client-side-apply"
    " 201 Created in 20 milliseconds"
)
STRUCTURED = (
    'I1121 09:40:00.500000      77 round_trippers.go:632] "Response" verb="POST"'
    ' url="https://192.0.2.1:6443/api/v1/namespaces/default/pods?fieldManager=kubectl-client-side-apply"'
    ' status="201 Created" milliseconds=40'
)
OTHERS = [
    "I1121 09:40:00.100000      77 loader.go:402] Config loaded from file:  /etc/kubernetes/admin.conf",
    PLAIN.replace("201 Created", "409 Conflict"),
    PLAIN.replace("POST", "GET"),
]


def test_kubectl_tells_when_each_pod_was_created() -> None:
    told = list(
        kubectl_timestamps.created([*OTHERS, PLAIN, *OTHERS, STRUCTURED], ["a", "b", "c"], 2026, "cloud0")
    )
    assert told == [
        PodTimestamp("a", "created", T0 + 240_000_000, "cloud0", error_ns=10_500_000),
        PodTimestamp("b", "created", T0 + 480_000_000, "cloud0", error_ns=20_500_000),
    ]


def test_more_pods_than_wanted_are_an_error() -> None:
    with pytest.raises(ValueError, match="2 pods were created, 1 were wanted"):
        list(kubectl_timestamps.created([PLAIN, STRUCTURED], ["a"], 2026, "cloud0"))


def test_sources_together_make_one_life_each() -> None:
    """Whole seconds give way to what logs tell; a pod's sandbox is that of all its containers."""
    instances = [
        Instance(f"cloud1/sleeper-{n}", "sleeper-3", name, "cloud1")
        for n, name in enumerate(("workload", "two"))
    ]
    told = [
        *api_timestamps.of_pod(POD, "cloud0"),
        *containerd_timestamps.read(V1, "cloud1", {"u"}),
        PodTimestamp("another", "created", T0, "cloud0"),
    ]
    walls = {"cloud0": WallClock(T0 - 100 * S), "cloud1": WallClock(T0 - 100 * S, error_ns=7)}
    first, second = sorted(lifecycle.build(marks(told, instances, walls)), key=lambda life: life.instance)
    assert (first.instance, first.node) == ("cloud1/sleeper-0", "cloud1")
    exact = {stage: first.at_ns[stage] / S - 100 for stage in ("sandbox", "image", "started", "finished")}
    assert exact == pytest.approx({"sandbox": 0.2, "image": 0.3, "started": 0.6, "finished": 60.5})
    assert first.at_ns["created"] / S - 100 == pytest.approx(0.1)  # in the first second, before the sandbox
    assert (first.error_ns["created"], first.error_ns["started"]) == (pytest.approx(S / 10, rel=1e-6), 7)
    assert set(second.at_ns) == {"created", "scheduled", "sandbox"}


def test_what_an_unknown_clock_tells_is_left_out() -> None:
    instances = [Instance("a", "sleeper-3", "workload")]
    assert list(marks([PodTimestamp("sleeper-3", "created", T0, "elsewhere")], instances, {})) == []


SLEEPER = Workload("sleeper", "cloud", ("{python}", "sleeper.py"), replicas_per_node=12)
START = Start(
    "image:1", "/usr/bin/python3", "/app", "20260101-000000-x", {"cloud1": "10.0.0.2"}, Share(None, 0, 64, 0)
)


@pytest.mark.parametrize("way", ["pod", "file", "call"])
def test_a_pod_for_each_instance_wherever_the_scheduler_wants_it(way: str) -> None:
    pods = pod_manifests.build(SLEEPER, ["cloud1", "cloud2"], START, way)
    names = [pod["metadata"]["name"] for pod in pods]
    assert names == sorted(names)
    assert len(set(names)) == 24
    containers = [one for pod in pods for one in pod["spec"]["containers"]]
    assert [pod_manifests.number_of(one["name"]) for one in containers] == list(range(24))
    assert all(one["command"] == ["/usr/bin/python3", "sleeper.py"] for one in containers)
    (term,) = {json.dumps(pod["spec"]["affinity"]) for pod in pods}
    assert '["cloud1", "cloud2"]' in term


def test_all_instances_of_a_node_in_one_pod() -> None:
    pods = pod_manifests.build(SLEEPER, ["cloud1", "cloud2"], START, "container")
    assert len(pods) == 2
    for pod, node in zip(pods, ("cloud1", "cloud2"), strict=True):
        spec = pod["spec"]
        assert f'["{node}"]' in json.dumps(spec["affinity"])
        assert [one["name"] for one in spec["containers"]] == [f"workload-{n}" for n in range(12)]
        mounts = list(chain.from_iterable(one["volumeMounts"] for one in spec["containers"]))
        assert [one["name"] for one in mounts] == [one["name"] for one in spec["volumes"]]
        assert len({one["hostPath"]["path"] for one in spec["volumes"]}) == 12


def test_manifests_are_one_file_or_one_for_each() -> None:
    pods = pod_manifests.build(SLEEPER, ["cloud1"], START, "file")
    (alone,) = pod_manifests.files(pods, "pod").values()
    assert [one["metadata"]["name"] for one in json.loads(alone)["items"]] == pod_manifests.names(SLEEPER, 12)
    each = pod_manifests.files(pods, "file")
    assert list(each) == sorted(each)
    assert len(each) == 12
    with tarfile.open(fileobj=io.BytesIO(pod_manifests.archive(each))) as tar:
        assert tar.getnames() == list(each)
