"""What the video application makes of a config: who serves whom, with what, and what it refuses."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from application.video import Video, files, placement
from application.video.settings import VARIABLE
from continuum.config import loader as configuration
from continuum.config import topology_builder
from continuum.errors import ConfigError
from continuum.model import topology
from continuum.model.config import Config
from continuum.model.workload import Workload

BENCHMARK = "[benchmark]\nresource_manager = none\napplication = video\n"


def infrastructure(**tiers: int) -> str:
    lines = ["[infrastructure]", "provider = local"]
    for tier, nodes in tiers.items():
        lines += [f"{tier}_nodes = {nodes}", f"{tier}_cores = 4", f"{tier}_memory = 4 GB"]
    return "\n".join(lines) + "\n"


def make(benchmark: str = "", run: str = "", name: str = "x.cfg", extra: str = "", **tiers: int) -> Config:
    text = infrastructure(**tiers) + BENCHMARK + benchmark + f"\n[run]\n{run}\n" + extra
    return configuration.parse(text, name)


def workloads(config: Config) -> dict[str, Workload]:
    return {w.name: w for w in Video().workloads(config, topology_builder.from_config(config))}


def servers(config: Config) -> dict[str, tuple[str, str, int]]:
    found = json.loads(workloads(config)["endpoint"].environment[VARIABLE])["servers"]
    return {endpoint: tuple(server) for endpoint, server in found.items()}


def problems(benchmark: str, name: str = "x.cfg", **tiers: int) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        make(benchmark, name=name, **tiers)
    return [str(problem) for problem in caught.value.problems if problem.severity == "error"]


@pytest.mark.parametrize(
    ("tiers", "where"),
    [
        ({"cloud": 1, "edge": 1, "endpoint": 1}, "edge"),
        ({"cloud": 1, "endpoint": 1}, "cloud"),
        ({"endpoint": 1}, None),
    ],
)
def test_frames_go_to_the_edge_else_the_cloud_else_nowhere(tiers: dict[str, int], where: str | None) -> None:
    found = workloads(make(**tiers))
    assert (found["worker"].tier if "worker" in found else None) == where
    assert found["endpoint"].tier == "endpoint"


def test_workers_come_first_and_serve() -> None:
    worker, endpoint = Video().workloads(
        config := make(edge=1, endpoint=1), topology_builder.from_config(config)
    )
    assert (worker.name, worker.serves, worker.ports) == ("worker", True, (7447,))
    assert (endpoint.name, endpoint.serves, endpoint.ports) == ("endpoint", False, ())
    assert worker.files == {"model.onnx": files.MODEL, "labels.txt": files.LABELS}
    assert endpoint.files == {"video.mp4": files.CLIP, "ground_truth.csv": files.CLIP_TRUTH}


@pytest.mark.parametrize(("edges", "copies", "endpoints"), [(1, 1, 5), (2, 1, 5), (3, 2, 20), (4, 3, 5)])
def test_endpoints_are_spread_evenly(edges: int, copies: int, endpoints: int) -> None:
    found = servers(make(f"applications_per_worker = {copies}", edge=edges, endpoint=endpoints))
    assert len(found) == endpoints
    by_worker = Counter(found.values())
    assert max(by_worker.values()) - min(by_worker.values()) <= 1
    assert len(by_worker) == min(edges * copies, endpoints)
    by_node = Counter(host for _, host, _ in found.values())
    assert len(by_node) == min(edges, endpoints)
    assert len({(host, port) for _, host, port in by_worker}) == len(by_worker)


def test_each_copy_on_a_node_has_its_port() -> None:
    found = workloads(make("applications_per_worker = 3", edge=1, endpoint=3))["worker"]
    assert found.replicas_per_node == 3
    assert found.ports == (7447, 7448, 7449)
    assert set(servers(make("applications_per_worker = 3", edge=1, endpoint=3)).values()) == {
        ("edge0-0", "edge0", 7447), ("edge0-1", "edge0", 7448), ("edge0-2", "edge0", 7449),
    }  # fmt: skip


def test_peers_form_a_ring() -> None:
    config = make("offload_to = peer", edge=1, endpoint=3)
    assert {endpoint: host for endpoint, (_, host, _) in servers(config).items()} == {
        "endpoint0": "endpoint1", "endpoint1": "endpoint2", "endpoint2": "endpoint0",
    }  # fmt: skip
    assert workloads(config)["worker"].tier == "endpoint"


@pytest.mark.parametrize("copies", [1, 2])
def test_nobody_is_its_own_peer(copies: int) -> None:
    for endpoints in (2, 3, 5):
        found = servers(make(f"offload_to = peer\napplications_per_worker = {copies}", endpoint=endpoints))
        assert all(endpoint != host for endpoint, (_, host, _) in found.items())


def test_on_the_endpoint_itself_there_is_no_worker() -> None:
    found = workloads(make("offload_to = endpoint", edge=1, endpoint=2))
    assert list(found) == ["endpoint"]
    assert {"model.onnx", "labels.txt"} <= set(found["endpoint"].files)
    assert json.loads(found["endpoint"].environment[VARIABLE])["servers"] == {}


def test_a_tier_of_the_user_may_serve() -> None:
    extra = "[tier fog]\nnodes = 2\ncores = 2\nmemory = 2 GB\n"
    config = make("offload_to = fog", endpoint=2, extra=extra)
    assert workloads(config)["worker"].tier == "fog"
    assert {host for _, host, _ in servers(config).values()} == {"fog0", "fog1"}


def test_shares_of_a_node_follow_the_framework_unless_given() -> None:
    found = workloads(make(edge=1, endpoint=1))
    assert (found["worker"].cpu_cores, found["worker"].memory_mb) == (3.5, 3584)
    assert (found["endpoint"].cpu_cores, found["endpoint"].memory_mb) == (4.0, 4096)
    keys = "application_worker_cpu = 1.5\napplication_worker_memory = 1 GB\napplication_endpoint_cpu = 0.5"
    found = workloads(make(keys, edge=1, endpoint=1))
    assert (found["worker"].cpu_cores, found["worker"].memory_mb) == (1.5, 1024)
    assert found["endpoint"].cpu_cores == 0.5


@pytest.mark.parametrize(
    ("benchmark", "tiers", "expected"),
    [
        ("", {"edge": 2, "endpoint": 1}, 2 * 3),
        ("application_worker_cpu = 0.5", {"edge": 2, "endpoint": 1}, 2),
        ("application_worker_cpu = 2\napplications_per_worker = 2", {"cloud": 3, "endpoint": 1}, 3 * 2 * 2),
        ("offload_to = endpoint", {"endpoint": 5}, 5 * 4),
        ("offload_to = peer", {"endpoint": 5}, 5 * 3),
    ],
)
def test_capacity_is_the_number_of_inference_threads(
    benchmark: str, tiers: dict[str, int], expected: int
) -> None:
    config = make(benchmark, **tiers)
    assert Video().servers(config, topology_builder.from_config(config)) == expected


def test_time_and_load() -> None:
    config = make("duration = 20\nfrequency = 2\nrequest_timeout = 3", run="warmup = 4\nseed = 9", endpoint=1)
    assert Video().duration_s(config) == 27
    assert Video().load(config)["frequency"] == 2
    told = json.loads(workloads(config)["endpoint"].environment[VARIABLE])
    assert (told["warmup_s"], told["duration_s"], told["timeout_s"], told["seed"]) == (4, 20, 3, 9)


def test_own_video_has_no_truth_unless_given(tmp_path: Path) -> None:
    (tmp_path / "mine.MP4").write_bytes(files.CLIP.read_bytes())
    (tmp_path / "mine.csv").write_text("frame,label\n0,7\n", encoding="utf-8")
    name = str(tmp_path / "x.cfg")
    found = workloads(make("video = mine.MP4", name=name, endpoint=1))["endpoint"].files
    assert found["video.MP4"] == tmp_path / "mine.MP4"
    assert "ground_truth.csv" not in found
    found = workloads(make("video = mine.MP4\nground_truth = mine.csv", name=name, endpoint=1))[
        "endpoint"
    ].files
    assert found["ground_truth.csv"] == tmp_path / "mine.csv"


@pytest.mark.parametrize(
    ("benchmark", "tiers", "expected"),
    [
        ("", {"cloud": 1}, 'x.cfg:8: [benchmark] application = "video": video requires endpoints'),
        (
            "offload_to = edge",
            {"endpoint": 1, "cloud": 1},
            'x.cfg:12: [benchmark] offload_to = "edge": there are no edge nodes; write',
        ),
        ("offload_to = egde", {"endpoint": 1}, '"egde": no such tier; there are: endpoint, peer'),
        (
            "offload_to = peer",
            {"endpoint": 1},
            'requires another one as its peer; write "endpoint_nodes = 2"',
        ),
        (
            "application_worker_cpu = 5",
            {"edge": 1, "endpoint": 1},
            "5 cores, but a node of tier edge has 4; write",
        ),
        (
            "application_worker_cpu = 3\napplications_per_worker = 2",
            {"edge": 1, "endpoint": 1},
            "2 x 3 cores, but",
        ),
        ("application_worker_memory = 8", {"edge": 1, "endpoint": 1}, 'write at most "4096 MiB"'),
        ("application_endpoint_cpu = 4.5", {"endpoint": 1}, "4.5 cores, but a node of tier endpoint has 4"),
        ("frame_size = huge", {"endpoint": 1}, '"huge": not a width and a height; write e.g. "640x480"'),
        ("frame_size = 0x9", {"endpoint": 1}, "each side must be 8 to 8192 pixels"),
        ("quality = 101", {"endpoint": 1}, "quality"),
        ("frequency = 0", {"endpoint": 1}, "frequency"),
        ("transport = smoke", {"endpoint": 1}, "not one of"),
        ("video = no.mp4", {"endpoint": 1}, 'video = "no.mp4": no such file: no.mp4'),
        ("video = .", {"endpoint": 1}, 'video = ".": is a folder, not a file'),
        ("ground_truth = no.csv", {"endpoint": 1}, "no such file"),
        ("model = no.onnx\nlabels = no.txt", {"endpoint": 1}, "no such file"),
        ("model = no.onnx", {"endpoint": 1}, "the model has no labels; name"),
    ],
)
def test_what_cannot_work_is_refused(benchmark: str, tiers: dict[str, int], expected: str) -> None:
    assert any(expected in problem for problem in problems(benchmark, **tiers)), problems(benchmark, **tiers)


def test_resources_for_another_tier_are_reduced_unless_the_tier_was_chosen() -> None:
    """Files of the framework name no tier: its resource manager decides."""
    nodes = "edge_nodes = 1\nedge_cores = 2\nedge_memory = 2 GB\n"
    text = infrastructure(cloud=1, endpoint=1) + nodes + BENCHMARK
    keys = "application_worker_cpu = 3.5\napplication_worker_memory = 3\n"
    config = configuration.parse(text + keys, "x.cfg")
    warned = [str(problem) for problem in config.warnings]
    assert len([line for line in warned if "reduced to that, unless offload_to = cloud" in line]) == 2
    found = workloads(config)["worker"]
    assert (found.tier, found.cpu_cores, found.memory_mb) == ("edge", 2, 2048)
    with pytest.raises(ConfigError, match="write at most 2"):
        configuration.parse(text + keys + "offload_to = edge\n", "x.cfg")
    assert configuration.parse(text + keys + "offload_to = cloud\n", "x.cfg").warnings == ()
    with pytest.raises(ConfigError, match="5 cores, but a node of tier edge"):
        configuration.parse(text + "application_worker_cpu = 5\n", "x.cfg")


@pytest.mark.parametrize(
    ("key", "content", "expected"),
    [
        ("video", b"", "the file is empty"),
        ("video", b"junk", "not a video that OpenCV can read"),
        ("ground_truth", b"frame;label\n", "the first line must name the columns frame,label"),
        ("labels", b"cat\ndog\n", "the model has 10 outputs, but there are 2 labels"),
        ("labels", b"\xff\xfe", "not a text file"),
        ("model", b"junk", "cannot load this file"),
    ],
)
def test_files_are_looked_into(tmp_path: Path, key: str, content: bytes, expected: str) -> None:
    (tmp_path / "file").write_bytes(content)
    benchmark = f"{key} = file"
    if key == "model":
        benchmark += f"\nlabels = {files.LABELS}"
    (found,) = problems(benchmark, name=str(tmp_path / "x.cfg"), endpoint=1)
    assert f"x.cfg:9: [benchmark] {key}" in found
    assert expected in found


def test_mqtt_needs_mosquitto_on_the_workers_nodes() -> None:
    def needed(read: Config) -> dict[str, list[str]]:
        return {name: [one.name for one in w.programs] for name, w in workloads(read).items()}

    remote = make("transport = mqtt", edge=1, endpoint=1)
    assert needed(remote) == {"worker": ["mosquitto"], "endpoint": []}
    assert needed(make("transport = mqtt\noffload_to = endpoint", endpoint=1)) == {"endpoint": []}
    assert needed(make("", edge=1, endpoint=1)) == {"worker": [], "endpoint": []}


def test_memory_fits_into_small_nodes() -> None:
    for cores, memory_mb in ((0.1, 128), (1.0, 512), (64.0, 2048)):
        tier = topology.Tier("edge", 1, cores, memory_mb)
        config = make(edge=1, endpoint=1)
        for share in (placement.worker_resources(config, tier), placement.endpoint_resources(config, tier)):
            assert 0.1 <= share.cores <= cores
            assert 0 < share.memory_mb <= memory_mb


def test_over_http_a_worker_says_that_it_can_be_a_function() -> None:
    found = workloads(make("transport = http\napplications_per_worker = 2", edge=1, endpoint=1))
    assert found["worker"].answers_http
    assert found["worker"].ports == (8000, 8001)
    assert not found["endpoint"].answers_http
    assert not any("zenoh" in name or "paho" in name for name in found["worker"].requirements)
    assert not workloads(make(edge=1, endpoint=1))["worker"].answers_http


@pytest.mark.parametrize(("where", "expected"), [("edge", False), ("endpoint", True), ("peer", True)])
def test_only_endpoints_that_classify_get_what_that_takes(where: str, expected: bool) -> None:
    found = workloads(make(f"offload_to = {where}", edge=1, endpoint=2))
    assert any("onnxruntime" in name for name in found["endpoint"].requirements) == expected
