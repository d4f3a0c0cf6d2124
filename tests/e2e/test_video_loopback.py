"""The programs of the video application as real processes on the loopback interface, over every transport."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from application.video import Video, files
from application.video import settings as configuration
from application.video.settings import EndpointSettings, Server, WorkerSettings
from continuum.measure import trace
from continuum.model import events
from continuum.sdk.http_front import Front
from continuum.sdk.protocol import ENV_ADDRESS as ADDRESS
from tests.e2e.gateway import Gateway

ROOT = Path(__file__).resolve().parents[2]
DEADLINE_S = 30.0
HOST = "127.0.0.1"

needs_mosquitto = pytest.mark.skipif(
    shutil.which("mosquitto", path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin") is None,
    reason="the MQTT broker mosquitto is not installed",
)
EVERY = ["zenoh", "http", pytest.param("mqtt", marks=needs_mosquitto)]
transports = pytest.mark.parametrize("transport", EVERY)


def eventually(condition: Callable[[], Any], what: str) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.02)


def free_port() -> int:
    with socket.create_server((HOST, 0)) as server:
        return int(server.getsockname()[1])


def is_open(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex((HOST, port)) == 0


@dataclass
class Program:
    """A program of the application in a folder of its own, as a resource manager would start it."""

    node: str
    folder: Path
    process: subprocess.Popen[bytes]

    @property
    def log(self) -> str:
        return (self.folder.parent / f"{self.node}.log").read_text(encoding="utf-8")

    def says(self) -> list[dict[str, Any]]:
        """What it has said but for when it began and ended."""
        lines = [line for line in self.log.split("\n")[:-1] if line.startswith("continuum: ")]
        said = [json.loads(line.removeprefix("continuum: ")) for line in lines]
        return [one for one in said if "life" not in one]

    def wait_ready(self) -> None:
        def ready() -> bool:
            assert self.process.poll() is None, self.log
            return {"ready": True} in self.says()

        eventually(ready, f"{self.node} is not ready: {self.log}")

    def wait_completed(self, number: int) -> None:
        def done() -> bool:
            return any(said.get("progress", {}).get("completed", 0) >= number for said in self.says())

        eventually(done, f"{self.node} has not completed {number} requests: {self.log}")

    def go(self, start_ns: int | None = None) -> None:
        start_ns = time.monotonic_ns() if start_ns is None else start_ns
        half = self.folder / "go.part"
        half.write_text(json.dumps({"start_ns": start_ns}), encoding="utf-8")
        half.rename(self.folder / "go")

    def wait(self) -> int:
        return self.process.wait(DEADLINE_S)


class Stage:
    """Starts programs and ends them."""

    def __init__(self, raw: Path, stack: ExitStack) -> None:
        self.raw, self._stack = raw, stack

    def worker(
        self,
        settings: WorkerSettings,
        node: str = "edge0",
        labels: Path = files.LABELS,
        **environment: str,
    ) -> Program:
        return self._start(
            "worker", node, settings, {"model.onnx": files.MODEL, "labels.txt": labels}, environment
        )

    def endpoint(self, settings: EndpointSettings, node: str = "endpoint0", **environment: str) -> Program:
        read = {"video.mp4": files.CLIP, configuration.TRUTH_FILE: files.CLIP_TRUTH}
        if node not in settings.servers:
            read |= {"model.onnx": files.MODEL, "labels.txt": files.LABELS}
        return self._start("endpoint", node, settings, read, environment)

    def _start(
        self,
        workload: str,
        node: str,
        settings: WorkerSettings | EndpointSettings,
        read: dict[str, Path],
        variables: dict[str, str],
    ) -> Program:
        folder = self.raw / node / f"{workload}-0"
        folder.mkdir(parents=True)
        for name, path in read.items():
            (folder / name).symlink_to(path)
        environment = {
            **os.environ,
            **configuration.to_environment(settings),
            "PYTHONPATH": str(ROOT),
            "CONTINUUM_NODE": node,
            "CONTINUUM_WORKLOAD": workload,
            "CONTINUUM_REPLICA": "0",
            **variables,
        }
        with (folder.parent / f"{node}.log").open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", f"application.video.{workload}"],
                cwd=folder, env=environment, stdout=log, stderr=subprocess.STDOUT,
            )  # fmt: skip
        self._stack.callback(process.wait)
        self._stack.callback(process.kill)
        return Program(node, folder, process)

    def trace(self) -> trace.Trace:
        return trace.build(events.read(self.raw), Video.stages)


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    with ExitStack() as stack:
        yield Stage(tmp_path / "raw", stack)


def worker_settings(transport: str, **changed: Any) -> WorkerSettings:
    return WorkerSettings(transport=transport, ports=(free_port(),), bind=HOST, **changed)


def endpoint_settings(worker: WorkerSettings, **changed: Any) -> EndpointSettings:
    load = {"frequency": 40.0, "duration_s": 1.0, "timeout_s": 20.0, "in_flight": 1000, **changed}
    servers = {f"endpoint{i}": Server("edge0", HOST, worker.ports[0]) for i in range(2)}
    return EndpointSettings(video="video.mp4", transport=worker.transport, servers=servers, **load)


def outcomes(found: trace.Trace) -> Counter[str]:
    return Counter(request.outcome for request in found.requests)


@transports
def test_every_frame_is_classified_and_every_nanosecond_explained(stage: Stage, transport: str) -> None:
    settings = worker_settings(transport, queue_size=120)
    worker = stage.worker(settings)
    worker.wait_ready()
    cameras = [
        stage.endpoint(endpoint_settings(settings, warmup_s=0.5), node=f"endpoint{i}") for i in range(2)
    ]
    for camera in cameras:
        camera.wait_ready()
        camera.go()
    assert [camera.wait() for camera in cameras] == [0, 0]
    worker.process.terminate()
    assert worker.wait() == 0

    found = stage.trace()
    assert outcomes(found) == {"completed": 2 * 60}
    measured = found.measured()
    assert len(measured) == 2 * 40
    assert Counter(request.node for request in measured) == {"endpoint0": 40, "endpoint1": 40}
    assert {request.worker for request in measured} == {"edge0"}
    for request in measured:
        assert set(request.spans_ns) == {*Video.stages, "other"}
        assert sum(request.spans_ns.values()) == request.end_to_end_ns
        assert min(request.spans_ns.values()) >= 0
    assert found.counters.unreadable == found.counters.unknown_stages == found.counters.duplicates == 0
    assert sum(bool(request.correct) for request in measured) / len(measured) > 0.9
    by_stage = {(event.stage, event.node) for event in events.read(stage.raw) if "endpoint0" in event.request}
    assert by_stage == {
        *(("due", "endpoint0"), ("preprocess", "endpoint0"), ("uplink", "endpoint0"), ("done", "endpoint0")),
        *(("queue", "edge0"), ("process", "edge0"), ("downlink", "edge0")),
    }
    assert cameras[0].says()[-1]["progress"]["completed"] == 60


@pytest.mark.slow
@pytest.mark.parametrize("sent", [signal.SIGKILL, signal.SIGSTOP])
@transports
def test_a_worker_that_dies_or_freezes_leaves_lost_requests(
    stage: Stage, transport: str, sent: signal.Signals
) -> None:
    settings = worker_settings(transport)
    worker = stage.worker(settings)
    worker.wait_ready()
    # A worker answers ten frames a second in time even on a machine that is many times too busy.
    load = {"frequency": 10.0, "duration_s": 3.0, "timeout_s": 1.0}
    camera = stage.endpoint(endpoint_settings(settings, **load))
    camera.wait_ready()
    camera.go()
    camera.wait_completed(5)
    worker.process.send_signal(sent)
    assert camera.wait() == 0

    ends = outcomes(stage.trace())
    assert ends["completed"] >= 5
    # Over HTTP one hears that there is nobody any more.
    assert ends["failed" if (transport, sent) == ("http", signal.SIGKILL) else "lost"] >= 1
    assert sum(ends.values()) == 30
    said = camera.says()[-1]["progress"]
    assert (said["sent"], said["lost"], said["failed"]) == (30, ends["lost"], ends["failed"])


@needs_mosquitto
def test_the_broker_ends_with_its_worker(stage: Stage) -> None:
    for end in (signal.SIGKILL, signal.SIGTERM):
        settings = worker_settings("mqtt")
        worker = stage.worker(settings, node=f"edge{end.value}")
        worker.wait_ready()
        assert is_open(settings.ports[0])
        worker.process.send_signal(end)
        worker.wait()
        eventually(lambda port=settings.ports[0]: not is_open(port), "the broker still listens")


@pytest.mark.slow
@transports
def test_a_full_queue_refuses_and_says_so(stage: Stage, transport: str) -> None:
    settings = worker_settings(transport, queue_size=1)
    worker = stage.worker(settings)
    worker.wait_ready()
    camera = stage.endpoint(endpoint_settings(settings, frequency=1000.0, duration_s=0.5))
    camera.wait_ready()
    camera.go()
    assert camera.wait() == 0

    ends = outcomes(stage.trace())
    assert ends["completed"] >= 1
    assert ends["failed"] >= 1
    assert ends["lost"] == 0
    assert sum(ends.values()) == 500
    reasons = {event.detail.get("reason") for event in events.read(stage.raw) if event.stage == "failed"}
    assert reasons == {"queue full (1)"}


def test_an_endpoint_may_classify_its_own_frames(stage: Stage) -> None:
    camera = stage.endpoint(EndpointSettings(video="video.mp4", frequency=40.0, duration_s=1.0))
    camera.wait_ready()
    camera.go()
    assert camera.wait() == 0

    found = stage.trace()
    assert outcomes(found) == {"completed": 40}
    assert {request.worker for request in found.requests} == {"endpoint0"}
    assert all(sum(request.spans_ns.values()) == request.end_to_end_ns for request in found.requests)
    assert all(set(request.spans_ns) == {*Video.stages, "other"} for request in found.requests)


def test_a_generator_that_is_late_still_sends_every_frame(stage: Stage) -> None:
    camera = stage.endpoint(EndpointSettings(video="video.mp4", frequency=40.0, duration_s=1.0))
    camera.wait_ready()
    camera.go(start_ns=time.monotonic_ns() - 5_000_000_000)
    assert camera.wait() == 0

    found = stage.trace()
    assert outcomes(found) == {"completed": 40}
    late_ns = [request.spans_ns["other"] for request in found.requests]
    assert min(late_ns) >= 4_000_000_000
    assert all(request.lateness_ns == request.spans_ns["other"] for request in found.requests)


@transports
def test_an_endpoint_may_start_before_its_worker(stage: Stage, transport: str) -> None:
    settings = worker_settings(transport)
    camera = stage.endpoint(endpoint_settings(settings, duration_s=0.5))
    camera.go()
    stage.worker(settings)
    assert camera.wait() == 0
    assert outcomes(stage.trace()) == {"completed": 20}


def test_an_endpoint_can_be_stopped_while_it_looks_for_its_worker(stage: Stage) -> None:
    camera = stage.endpoint(endpoint_settings(WorkerSettings(ports=(free_port(),))))
    eventually(lambda: catches_sigterm(camera.process.pid), "it is not ready to be ended")
    with pytest.raises(subprocess.TimeoutExpired):
        camera.process.wait(1.0)
    camera.process.terminate()
    assert camera.wait() == 0
    assert camera.says() == []


def catches_sigterm(pid: int) -> bool:
    """Whether a process has a handler for it."""
    lines = Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines()
    (caught,) = [line for line in lines if line.startswith("SigCgt:")]
    return bool(int(caught.split()[1], 16) >> (signal.SIGTERM - 1) & 1)


def test_an_endpoint_that_is_stopped_writes_what_it_has(stage: Stage) -> None:
    camera = stage.endpoint(EndpointSettings(video="video.mp4", frequency=20.0, duration_s=600.0))
    camera.wait_ready()
    camera.go()
    camera.wait_completed(3)
    camera.process.terminate()
    assert camera.wait() == 0

    ends = outcomes(stage.trace())
    assert ends["completed"] >= 3
    assert sum(ends.values()) == camera.says()[-1]["progress"]["sent"] < 600 * 20


def test_a_worker_with_the_wrong_labels_does_not_start(stage: Stage, tmp_path: Path) -> None:
    labels = tmp_path / "labels.txt"
    labels.write_text("cat\ndog\n", encoding="utf-8")
    worker = stage.worker(worker_settings("zenoh"), labels=labels)
    assert worker.wait() == 1
    assert "10 outputs, but there are 2 labels" in worker.log


def test_a_worker_whose_port_is_taken_says_so(stage: Stage) -> None:
    settings = worker_settings("zenoh")
    with socket.create_server((HOST, settings.ports[0])):
        worker = stage.worker(settings)
        assert worker.wait() == 1
    assert "zenoh" in worker.log
    assert str(settings.ports[0]) in worker.log


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full to stand for a full disk")
def test_a_full_disk_ends_the_endpoint(stage: Stage) -> None:
    camera = stage.endpoint(EndpointSettings(video="video.mp4", frequency=20.0, duration_s=600.0))
    (camera.folder / "events.jsonl").symlink_to("/dev/full")
    camera.wait_ready()
    camera.go()
    assert camera.wait() == 1
    assert "No space left on device" in camera.log


@pytest.mark.slow
def test_what_exceeds_the_bound_in_flight_is_held_back_and_counted(stage: Stage) -> None:
    settings = worker_settings("http")
    worker = stage.worker(settings)
    worker.wait_ready()
    camera = stage.endpoint(endpoint_settings(settings, frequency=200.0, duration_s=0.5, in_flight=1))
    camera.wait_ready()
    camera.go()
    assert camera.wait() == 0
    worker.process.terminate()
    assert worker.wait() == 0

    found = stage.trace()
    assert outcomes(found) == {"completed": 100}
    assert 0 < found.counters.held < 100
    assert max(request.queue_depth or 0 for request in found.requests) == 0
    for request in found.requests:
        assert sum(request.spans_ns.values()) == request.end_to_end_ns


def test_the_time_in_front_of_a_worker_is_a_stage_of_its_own(stage: Stage) -> None:
    """A front that takes 30 ms for the head of each request, and passes it on in chunks."""
    settings = worker_settings("http")
    with Gateway(settings.ports[0], delay_s=0.03) as gateway:
        worker = stage.worker(settings, **Front("gateway", "X-Start-Time").to_environment())
        worker.wait_ready()
        address = {ADDRESS: f"http://{{host}}:{gateway.port}/function/video"}
        camera = stage.endpoint(endpoint_settings(settings, frequency=10.0), **address)
        camera.wait_ready()
        camera.go()
        assert camera.wait() == 0
        worker.process.terminate()
        assert worker.wait() == 0

    stages = ("preprocess", "uplink", "gateway", "queue", "process", "downlink")
    found = trace.build(events.read(stage.raw), stages)
    assert outcomes(found) == {"completed": 10}
    assert set(gateway.paths) == {"/function/video"}
    for request in found.requests:
        assert set(request.spans_ns) == {*stages, "other"}
        assert sum(request.spans_ns.values()) == request.end_to_end_ns
        assert request.spans_ns["gateway"] >= 30_000_000
        assert min(request.spans_ns.values()) >= 0


def test_a_front_that_refuses_makes_requests_fail_with_its_status(stage: Stage) -> None:
    settings = worker_settings("http")
    with Gateway(settings.ports[0], refuse_after=5) as gateway:
        worker = stage.worker(settings)
        worker.wait_ready()
        address = {ADDRESS: f"http://{HOST}:{gateway.port}/"}
        camera = stage.endpoint(endpoint_settings(settings, frequency=20.0), **address)
        camera.wait_ready()
        camera.go()
        assert camera.wait() == 0
    assert outcomes(stage.trace()) == {"completed": 4, "failed": 16}  # one more was the question for the size
    reasons = {e.detail["reason"] for e in events.read(stage.raw) if e.stage == "failed"}
    assert reasons == {"HTTP status 429"}
