"""The application's keys in ``[benchmark]``."""

from __future__ import annotations

from typing import Final

from continuum.options import Choice, Duration, FilePath, Integer, Option, Real, Text

SECTION: Final = "benchmark"
ENDPOINT: Final = "endpoint"
PEER: Final = "peer"
#: Where frames are classified unless the config says so: the first of these tiers that has nodes.
PREFERRED_TIERS: Final = ("edge", "cloud", ENDPOINT)
DEFAULT_WARMUP_S: Final = 1.0

OPTIONS: Final = (
    Option(SECTION, "frequency", Real(0.01, 1000), 5.0, "Frames per second of each endpoint."),
    Option(
        SECTION,
        "duration",
        Duration(minimum=0.1),
        300.0,
        "How long each endpoint sends frames after the warm-up.",
    ),
    Option(
        SECTION,
        "arrival",
        Choice("periodic", "poisson"),
        "periodic",
        "Intended times of frames: at equal distances as from a camera (endpoints differ in phase), or a "
        "Poisson process.",
    ),
    Option(
        SECTION,
        "offload_to",
        Text(),
        None,
        "Tier that classifies the frames; `endpoint` for each endpoint itself, `peer` for the next "
        "endpoint (the last one's is the first).",
        default_text="`edge` if there are edge nodes, else `cloud`, else `endpoint`",
    ),
    Option(
        SECTION,
        "transport",
        Choice("zenoh", "mqtt", "http"),
        "zenoh",
        "How frames travel: Zenoh from endpoint to worker, MQTT over a Mosquitto broker on the worker's "
        "node, or one HTTP request for each.",
        default_text="`zenoh`; `http` with an execution model",
    ),
    Option(
        SECTION,
        "max_in_flight",
        Integer(1, 1000),
        16,
        "Frames of an endpoint that may be unanswered, with `transport = http`; further ones are held back "
        "there, which is counted and is part of their latency.",
    ),
    Option(
        SECTION,
        "video",
        FilePath(),
        None,
        "Video that every endpoint's camera sees, over and over; any that OpenCV reads.",
        default_text="the built-in clip",
    ),
    Option(
        SECTION,
        "ground_truth",
        FilePath(),
        None,
        "CSV file with the columns `frame` (from 0) and `label`: what the video shows. Without it there is "
        "no accuracy.",
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
        "Text file with the label of each output of the model, one a line.",
        default_text="the built-in model's",
    ),
    Option(
        SECTION,
        "normalisation",
        Choice("auto", "unit", "symmetric", "imagenet", "raw"),
        "auto",
        "How pixels become a float input: 0 to 1, -1 to 1, standardised as for ImageNet, 0 to 255, or as "
        "the model's metadata `mean` and `std` say (else 0 to 1).",
    ),
    Option(SECTION, "quality", Integer(1, 100), 90, "JPEG quality of the frames that are sent."),
    Option(
        SECTION,
        "frame_size",
        Text(),
        None,
        "Width and height that frames are resized to before they are sent, as in `640x480`.",
        default_text="the model's input",
    ),
    Option(
        SECTION,
        "queue_size",
        Integer(1, 1_000_000),
        100,
        "Frames that may wait at a worker; a further one is refused and counts as failed.",
    ),
    Option(
        SECTION,
        "request_timeout",
        Duration(minimum=0.001),
        10.0,
        "How long an answer may take after its frame was ready to be sent; later, the frame counts as lost.",
    ),
)
