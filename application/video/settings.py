"""What the orchestrator tells the programs on the nodes: one JSON object in one variable."""

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
#: Every thread beyond the inference threads would compete with them for the node's cores.
FEW_THREADS = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "OPENCV_FFMPEG_THREADS": "1",
    "ZENOH_RUNTIME": "(rx: (worker_threads: 1), net: (worker_threads: 1))",
}


@dataclass(frozen=True)
class Server:
    """Where an endpoint's frames are classified.

    Attributes:
        worker: name of the worker: its node, with the replica's number where a node has several.
        host: node to connect to.
        port: TCP port there.
    """

    worker: str
    host: str
    port: int


@dataclass(frozen=True)
class WorkerSettings:
    """How a worker serves; an endpoint that classifies its own frames serves itself alike.

    Attributes:
        transport: ``zenoh``, ``mqtt``, ``http`` or ``local``.
        ports: TCP port of each replica on a node.
        threads: inference threads.
        queue_size: requests that may wait; one more is refused.
        normalisation: how pixels become the model's input, see ``model.py``.
        bind: address to listen on.
    """

    transport: str = "zenoh"
    ports: tuple[int, ...] = (7447,)
    threads: int = 1
    queue_size: int = 100
    normalisation: str = "auto"
    bind: str = "0.0.0.0"  # noqa: S104 - the node's own network, of this run alone


@dataclass(frozen=True)
class EndpointSettings:
    """How an endpoint makes load.

    Attributes:
        video: name of the video in the program's folder.
        frequency: frames per second.
        duration_s: measured time.
        warmup_s: time before that, marked as warm-up.
        arrival: ``periodic`` or ``poisson``.
        quality: JPEG quality, 1 to 100.
        frame_size: width and height that frames are sent in; None for the model's input.
        timeout_s: how long an answer may take from when the frame was ready to be sent.
        in_flight: frames that may be unanswered, where the transport tells; one more is held back.
        seed: of the schedule.
        servers: where to, by the endpoint's node; without an entry it serves itself.
        local: how it serves itself.
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


def to_environment(settings: WorkerSettings | EndpointSettings) -> dict[str, str]:
    """The variable that carries the settings, and those that limit the libraries' threads."""
    values = asdict(settings)
    if isinstance(settings, EndpointSettings):
        # One variable may hold 128 KiB; without the names of fields that is a few thousand endpoints.
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
