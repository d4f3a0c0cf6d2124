"""Frames of a video, decoded before the load, so that decoding is not part of the measurement."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]

# OpenCV would split each small frame among its own threads, which spin while they wait.
cv2.setNumThreads(0)


class VideoError(Exception):
    """A video cannot be read."""


@dataclass(frozen=True)
class VideoFrame:
    """One frame.

    Attributes:
        index: position in the video, from 0.
        image: shape (height, width, 3), BGR.
    """

    index: int
    image: Image


def read_frames(path: Path) -> Iterator[VideoFrame]:
    """Iterate over the frames of a video; VideoError if it has none."""
    capture = cv2.VideoCapture(str(path))
    index = 0
    try:
        while True:
            found, image = capture.read()
            if not found:
                break
            yield VideoFrame(index, np.asarray(image, dtype=np.uint8))
            index += 1
    finally:
        capture.release()
    if index == 0:
        raise VideoError(f"{path}: OpenCV cannot read this video")


def read_truth(path: Path) -> dict[int, str]:
    """Read the label of each frame from a CSV file with the columns ``frame`` (from 0) and ``label``.

    Raises:
        ValueError: a line has another format; the message names it.
    """
    with path.open(newline="", encoding="utf-8") as lines:
        rows = csv.DictReader(lines)
        if not {"frame", "label"} <= set(rows.fieldnames or ()):
            raise ValueError(f"{path}:1: the first line must name the columns frame,label")
        truth = {}
        for row in rows:
            try:
                truth[int(row["frame"])] = row["label"].strip()
            except (TypeError, ValueError, AttributeError):
                where = f"{path}:{rows.line_num}"
                raise ValueError(f'{where}: not a frame number and a label; write "0,7"') from None
    return truth


class Camera:
    """Plays a video in a loop, from frames that are decoded when it is made.

    A camera stands for a device's sensor, which uses none of the device's processor: decoding must cost
    nothing while the load runs. Frames that do not fit in memory are not played.

    Args:
        path: the video.
        needed: number of frames that will be asked for; at least one is decoded.
        memory_mb: memory that decoded frames may take, in MiB.

    Attributes:
        is_cut: whether the memory is too small for the frames that will be asked for.

    Raises:
        VideoError: the video cannot be read.
    """

    def __init__(self, path: Path, needed: int, memory_mb: int) -> None:
        self._frames: list[VideoFrame] = []
        self.is_cut = False
        self._played = 0
        left_bytes = memory_mb << 20
        for frame in read_frames(path):
            left_bytes -= frame.image.nbytes
            enough = len(self._frames) >= max(1, needed)
            self.is_cut = not enough and left_bytes < 0 and bool(self._frames)
            if enough or self.is_cut:
                break
            self._frames.append(frame)

    def __len__(self) -> int:
        """Number of different frames."""
        return len(self._frames)

    def next(self) -> VideoFrame:
        """The next frame."""
        frame = self._frames[self._played % len(self._frames)]
        self._played += 1
        return frame


def encode(image: Image, size: tuple[int, int], quality: int) -> bytes:
    """The stage ``preprocess``: resize a frame to (width, height) and encode it as JPEG."""
    if (image.shape[1], image.shape[0]) != size:
        # Area averaging suits shrinking; for enlarging it would take the nearest pixel.
        shrinks = size[0] <= image.shape[1] and size[1] <= image.shape[0]
        resized: Any = cv2.resize(image, size, interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)
        image = resized
    done, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])
    if not done:
        raise ValueError(f"a frame of shape {image.shape} could not be encoded as JPEG")
    return bytes(data)


def decode(jpeg: bytes) -> Image:
    """Decode a JPEG to RGB, shape (height, width, 3); ValueError if it is invalid."""
    image = cv2.imdecode(np.frombuffer(jpeg, dtype=np.uint8), cv2.IMREAD_COLOR) if jpeg else None
    if image is None:
        raise ValueError("not an image")
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), dtype=np.uint8)
