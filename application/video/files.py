"""Selects the video and model, built-in or named by the config, and checks those that are named."""

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
    """Files for the programs on nodes.

    Attributes:
        video: the video that cameras play.
        truth: labels of its frames; None if unknown.
        model: the ONNX model.
        labels: labels of the model's outputs.
    """

    video: Path
    truth: Path | None
    model: Path
    labels: Path


def choose(config: Config) -> Files:
    """The files that a config selects."""
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
    """The problem with a video; empty if its first frame can be read."""
    if path.stat().st_size == 0:
        return "the file is empty"
    # FFmpeg would report the problem on standard error as well.
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
    os.environ.setdefault("OPENCV_LOG_LEVEL", "SILENT")
    from application.video import frames

    try:
        next(frames.read_frames(path))
    except frames.VideoError:
        return "not a video that OpenCV can read; convert it, e.g. with ffmpeg -i FILE video.mp4"
    return ""


def check_truth(path: Path) -> str:
    """The problem with a ground truth file; empty if it is valid."""
    from application.video import frames

    try:
        frames.read_truth(path)
    except (ValueError, OSError) as error:
        return str(error)
    return ""


def check_model(model: Path, labels: Path, normalisation: str) -> str:
    """The problem with a model or its labels; empty if it can classify an image."""
    from application.video.model import Classifier, ModelError

    try:
        Classifier(model, labels, normalisation).warm_up()
    except (ModelError, OSError) as error:
        return str(error)
    except Exception as error:
        return f"the model does not run: {error}"
    return ""
