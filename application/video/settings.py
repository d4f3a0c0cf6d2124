"""Settings of the programs on nodes, passed as JSON in one environment variable."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, astuple, dataclass, field

VARIABLE = "VIDEO_SETTINGS"
MODEL_FILE = "model.onnx"
LABELS_FILE = "labels.txt"
TRUTH_FILE = "ground_truth.csv"
LOCAL = "local"
HTTP = "http"
#: Other threads would compete with the inference threads for the node's cores.
FEW_THREADS = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "OPENCV_FFMPEG_THREADS": "1",
    "ZENOH_RUNTIME": "(rx: (worker_threads: 1), net: (worker_threads: 1))",
}


@dataclass(frozen=True)
class Server:
    """The worker that classifies the frames of an endpoint.

    Attributes:
        worker: name of the worker: its node, with the replica's number if the node has several.
        host: node to connect to.
        port: TCP port of the worker.
    """

    worker: str
    host: str
    port: int


@dataclass(frozen=True)
class WorkerSettings:
    """Settings of a worker, and of an endpoint that serves itself.

    Attributes:
        transport: ``zenoh``, ``mqtt``, ``http`` or ``local``.
        ports: TCP port of each replica on a node.
        threads: inference threads.
        queue_size: requests that may wait; further ones are refused.
        normalisation: conversion of pixels to the model's input, see ``model.py``.
        bind: address to listen on; empty for the node's address on the emulated network.
    """

    transport: str = "zenoh"
    ports: tuple[int, ...] = (7447,)
    threads: int = 1
    queue_size: int = 100
    normalisation: str = "auto"
    bind: str = ""


@dataclass(frozen=True)
class EndpointSettings:
    """Settings of an endpoint, which generates the load.

    Attributes:
        video: file name of the video in the program's folder.
        frequency: frames per second.
        duration_s: measured time.
        warmup_s: warm-up before the measured time.
        arrival: ``periodic`` or ``poisson``.
        quality: JPEG quality, 1 to 100.
        frame_size: width and height of the frames that are sent; None for the model's input size.
        timeout_s: time-out of a request, from when the frame is ready to be sent.
        in_flight: most unanswered frames, if the transport knows them; further ones are held back.
        seed: seed of the schedule.
        servers: the worker of each endpoint, by its node; an endpoint without an entry serves itself.
        local: settings for an endpoint that serves itself.
        camera_mb: memory for decoded frames of the video, in MiB.
    """

    video: str
    frequency: float = 5.0
    duration_s: float = 10.0
    warmup_s: float = 0.0
    arrival: str = "periodic"
    quality: int = 90
    frame_size: tuple[int, int] | None = None
    timeout_s: float = 10.0
    in_flight: int = 16
    seed: int = 0
    servers: Mapping[str, Server] = field(default_factory=dict)
    local: WorkerSettings = field(default_factory=lambda: WorkerSettings(transport=LOCAL))
    transport: str = "zenoh"
    camera_mb: int = 64


def to_environment(settings: WorkerSettings | EndpointSettings) -> dict[str, str]:
    """The variable with the settings, and variables that limit the threads of libraries."""
    values = asdict(settings)
    if isinstance(settings, EndpointSettings):
        # A variable holds up to 128 KiB; without field names, that is a few thousand endpoints.
        values["servers"] = {node: astuple(server) for node, server in settings.servers.items()}
    return {VARIABLE: json.dumps(values, sort_keys=True, separators=(",", ":")), **FEW_THREADS}


def worker_from_environment() -> WorkerSettings:
    """The settings of this worker."""
    return _worker(json.loads(os.environ[VARIABLE]))


def _worker(values: dict[str, object]) -> WorkerSettings:
    ports = values.pop("ports")
    assert isinstance(ports, list)
    return WorkerSettings(ports=tuple(ports), **values)  # type: ignore[arg-type]


def endpoint_from_environment() -> EndpointSettings:
    """The settings of this endpoint."""
    values = json.loads(os.environ[VARIABLE])
    size = values.pop("frame_size")
    return EndpointSettings(
        frame_size=(size[0], size[1]) if size else None,
        servers={node: Server(*server) for node, server in values.pop("servers").items()},
        local=_worker(values.pop("local")),
        **values,
    )
