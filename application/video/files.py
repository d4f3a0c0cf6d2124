"""The built-in clip and model, those a config names, and a look into the latter."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from continuum.model.config import Config

HERE: Final = Path(__file__).resolve().parent
CLIP: Final = HERE / "parcels.mp4"
CLIP_TRUTH: Final = HERE / "parcels.csv"
MODEL: Final = HERE / "parcels.onnx"
LABELS: Final = HERE / "parcels.txt"

Look = Callable[[Path], str]


@dataclass(frozen=True)
class Files:
    """What the programs on the nodes read.

    Attributes:
        video: the camera's.
        truth: what its frames show; None when nobody knows.
        model: ONNX.
        labels: of the model's outputs.
    """

    video: Path
    truth: Path | None
    model: Path
    labels: Path


def choose(config: Config) -> Files:
    """The files of this config."""
    named = config.benchmark.path
    video, truth = named("video"), named("ground_truth")
    return Files(
        video=_absolute(video, CLIP),
        truth=_absolute(truth, CLIP_TRUTH) if truth or not video else None,
        model=_absolute(named("model"), MODEL),
        labels=_absolute(named("labels"), LABELS),
    )


def _absolute(path: Path | None, built_in: Path) -> Path:
    return built_in if path is None else path.absolute()


def check_video(path: Path) -> str:
    """What is wrong with a video; empty if its first frame can be read."""
    if path.stat().st_size == 0:
        return "an empty file"
    # FFmpeg reports on standard error what is said better here.
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
    os.environ.setdefault("OPENCV_LOG_LEVEL", "SILENT")
    from application.video import frames

    try:
        next(frames.read_frames(path))
    except frames.VideoError:
        return "not a video that OpenCV can read; convert it, e.g. with ffmpeg -i FILE video.mp4"
    return ""


def check_truth(path: Path) -> str:
    """What is wrong with a ground truth; empty if nothing is."""
    from application.video import frames

    try:
        frames.read_truth(path)
    except (ValueError, OSError) as error:
        return str(error)
    return ""


def check_model(model: Path, labels: Path, normalisation: str) -> str:
    """What is wrong with a model or its labels; empty if an image can be classified."""
    from application.video.model import Classifier, ModelError

    try:
        Classifier(model, labels, normalisation).warm_up()
    except (ModelError, OSError) as error:
        return str(error)
    except Exception as error:
        return f"the model does not run: {error}"
    return ""
