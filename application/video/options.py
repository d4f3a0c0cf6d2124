"""The keys of the application in ``[benchmark]``."""

from __future__ import annotations

from typing import Final

from continuum.options import Choice, Duration, FilePath, Integer, Option, Real, Text

SECTION: Final = "benchmark"
ENDPOINT: Final = "endpoint"
PEER: Final = "peer"
#: By default, frames are classified on the first of these tiers that has nodes.
PREFERRED_TIERS: Final = ("edge", "cloud", ENDPOINT)
DEFAULT_WARMUP_S: Final = 1.0

OPTIONS: Final = (
    Option(SECTION, "frequency", Real(0.01, 1000), 5.0, "Frames per second of each endpoint."),
    Option(
        SECTION,
        "duration",
        Duration(minimum=0.1),
        300.0,
        "How long each endpoint sends frames, after the warm-up.",
    ),
    Option(
        SECTION,
        "arrival",
        Choice("periodic", "poisson"),
        "periodic",
        "Intended times of frames: at equal intervals as from a camera (endpoints draw new phases every "
        "2 s), or as a Poisson process.",
    ),
    Option(
        SECTION,
        "offload_to",
        Text(),
        None,
        "Tier that classifies the frames; `endpoint`: each endpoint classifies its own; `peer`: the next "
        "endpoint does (for the last one, the first).",
        default_text="`edge` if there are edge nodes, else `cloud`, else `endpoint`",
    ),
    Option(
        SECTION,
        "transport",
        Choice("zenoh", "mqtt", "http"),
        "zenoh",
        "Protocol for frames: Zenoh from endpoint to worker, MQTT over a Mosquitto broker on the worker's "
        "node, or one HTTP request per frame.",
        default_text="`zenoh`; `http` with an execution model",
    ),
    Option(
        SECTION,
        "max_in_flight",
        Integer(1, 1000),
        16,
        "Most unanswered frames of an endpoint, with `transport = http`. Further frames wait at the "
        "endpoint; they are counted, and the wait is part of their latency.",
    ),
    Option(
        SECTION,
        "video",
        FilePath(),
        None,
        "Video that the camera of every endpoint plays in a loop; any format that OpenCV reads.",
        default_text="the built-in clip",
    ),
    Option(
        SECTION,
        "ground_truth",
        FilePath(),
        None,
        "CSV file with the columns `frame` (from 0) and `label`: the correct labels of the video. Without "
        "it, the accuracy is unknown.",
        default_text="the built-in clip's",
    ),
    Option(
        SECTION,
        "model",
        FilePath(),
        None,
        "ONNX image classifier, NCHW or NHWC, with any input size.",
        default_text="the built-in model",
    ),
    Option(
        SECTION,
        "labels",
        FilePath(),
        None,
        "Text file with the labels of the model's outputs, one per line.",
        default_text="the built-in model's",
    ),
    Option(
        SECTION,
        "normalisation",
        Choice("auto", "unit", "symmetric", "imagenet", "raw"),
        "auto",
        "Conversion of pixels to a float input: `unit` 0 to 1, `symmetric` -1 to 1, `imagenet` "
        "standardised as for ImageNet, `raw` 0 to 255, `auto` by the model's metadata `mean` and `std` (0 to "
        "1 without them).",
    ),
    Option(SECTION, "quality", Integer(1, 100), 90, "JPEG quality of the frames."),
    Option(
        SECTION,
        "frame_size",
        Text(),
        None,
        "Width and height of the frames that are sent, such as `640x480`.",
        default_text="the model's input size",
    ),
    Option(
        SECTION,
        "queue_size",
        Integer(1, 1_000_000),
        100,
        "Frames that may wait at a worker; further ones are refused and count as failed.",
    ),
    Option(
        SECTION,
        "request_timeout",
        Duration(minimum=0.001),
        10.0,
        "Time-out for an answer, from when the frame is ready to be sent; later, the frame counts as lost.",
    ),
)
