"""Frames of a video, decoded in advance, so that decoding is not part of the measurement."""

from __future__ import annotations

import csv
import queue
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]

# OpenCV would split each small frame among its own threads, which spin while they wait.
cv2.setNumThreads(0)

_AHEAD = 4
_POLL_S = 0.2


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


@dataclass
class Camera:
    """Plays a video in a loop and decodes a few frames in advance, in its own thread.

    Attributes:
        path: the video.
    """

    path: Path
    _frames: queue.Queue[VideoFrame | VideoError] = field(default_factory=lambda: queue.Queue(_AHEAD))
    _closed: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        threading.Thread(target=self._play, name="camera", daemon=True).start()

    def next(self) -> VideoFrame:
        """The next frame, immediately if decoding keeps up; VideoError if the video cannot be read."""
        frame = self._frames.get()
        if isinstance(frame, VideoError):
            raise frame
        return frame

    def close(self) -> None:
        """Stop decoding."""
        self._closed.set()

    def _play(self) -> None:
        try:
            while not self._closed.is_set():
                for frame in read_frames(self.path):
                    if not self._put(frame):
                        return
        except VideoError as error:
            self._put(error)
        except Exception as error:
            self._put(VideoError(f"{self.path}: {error}"))

    def _put(self, frame: VideoFrame | VideoError) -> bool:
        while not self._closed.is_set():
            try:
                self._frames.put(frame, timeout=_POLL_S)
            except queue.Full:
                continue
            return True
        return False


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
