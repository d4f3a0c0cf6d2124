"""Makes the built-in clip ``parcels.mp4`` and its ground truth ``parcels.csv`` beside this file.

    python -m application.video.make_clip      (with scikit-learn, scikit-image and av installed)

The camera pans over photographs, and parcel labels with handwritten digits pass by; the model was trained on
neither. The codec is VP9: it is free, every OpenCV reads it, and files are a third of the size of MPEG-4.
"""

from __future__ import annotations

import argparse
import csv
import importlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from application.video import compose

HERE: Final = Path(__file__).resolve().parent
FRAMES_PER_S: Final = 10
LABELS: Final = 75
FRAMES_PER_LABEL: Final = 4
_LABELS_PER_SCENE: Final = 5


@dataclass(frozen=True)
class Pan:
    """A pan over a photograph: corner and height of the view at start and end."""

    start: NDArray[np.float64]
    end: NDArray[np.float64]

    def view(self, photo: compose.Image, share: float) -> compose.Image:
        """The view after a share of the pan, 0 to 1."""
        left, top, height = self.start + (self.end - self.start) * share
        width = height * compose.FRAME_SIZE[0] / compose.FRAME_SIZE[1]
        scale = compose.FRAME_SIZE[1] / height
        move = np.array([[scale, 0, -left * scale], [0, scale, -top * scale]])
        assert left + width <= photo.shape[1] + 1
        seen = cv2.warpAffine(
            photo, move, compose.FRAME_SIZE, flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE
        )
        return np.asarray(seen, dtype=np.uint8)


def random_pan(photo: compose.Image, rng: np.random.Generator) -> Pan:
    """A random pan within a photograph."""
    full_h, full_w = photo.shape[:2]
    aspect = compose.FRAME_SIZE[0] / compose.FRAME_SIZE[1]
    ends = []
    for _ in range(2):
        height = min(full_h, full_w / aspect) * rng.uniform(0.7, 0.95)
        ends.append([rng.uniform(0, full_w - height * aspect), rng.uniform(0, full_h - height), height])
    return Pan(np.array(ends[0]), np.array(ends[1]))


def clip_frames() -> Iterator[tuple[compose.Image, int]]:
    """Every frame of the clip as RGB, and the digit on its label."""
    rng = np.random.default_rng(compose.SEED + 2)
    _, digits = compose.load_digits()
    photographs = compose.load_photographs(compose.HELD_OUT_PHOTOGRAPHS)
    order = rng.permutation(len(digits.labels))
    per_scene = _LABELS_PER_SCENE * FRAMES_PER_LABEL
    pan = random_pan(photographs[0], rng)
    for number in range(LABELS):
        scene, first = divmod(number, _LABELS_PER_SCENE)
        photo = photographs[scene % len(photographs)]
        if first == 0:
            pan = random_pan(photo, rng)
        label = compose.draw_label(digits.images[order[number]], rng)
        begin, end = compose.random_placement(rng), compose.random_placement(rng)
        for step in range(FRAMES_PER_LABEL):
            background = pan.view(photo, (first * FRAMES_PER_LABEL + step) / per_scene)
            where = between(begin, end, 0.5 * step / FRAMES_PER_LABEL)
            yield compose.paste(background, label, where), int(digits.labels[order[number]])


def between(begin: compose.Placement, end: compose.Placement, share: float) -> compose.Placement:
    """Placements of a moving label; its size is constant, so that it stays within the frame."""
    return compose.Placement(
        x=begin.x + (end.x - begin.x) * share,
        y=begin.y + (end.y - begin.y) * share,
        height=min(begin.height, end.height),
        angle_deg=begin.angle_deg + (end.angle_deg - begin.angle_deg) * share,
        skew=begin.skew,
    )


def write_video(path: Path, pictures: list[compose.Image]) -> None:
    """Encode RGB pictures."""
    av: Any = importlib.import_module("av")
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libvpx-vp9", rate=FRAMES_PER_S)
        stream.width, stream.height = compose.FRAME_SIZE
        stream.pix_fmt, stream.bit_rate, stream.thread_count = "yuv420p", 0, 1
        stream.options = {"crf": "36", "b:v": "0", "cpu-used": "2"}
        for picture in pictures:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode(None))


def main() -> None:
    """Write the clip and its ground truth."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--output", type=Path, default=HERE / "parcels.mp4")
    options = parser.parse_args()
    with options.output.with_suffix(".csv").open("w", newline="", encoding="utf-8") as file:
        truth = csv.writer(file, lineterminator="\n")
        truth.writerow(["frame", "label"])
        pictures = []
        for index, (picture, digit) in enumerate(clip_frames()):
            pictures.append(picture)
            truth.writerow([index, digit])
    write_video(options.output, pictures)
    print(f"{options.output}: {options.output.stat().st_size} bytes")


if __name__ == "__main__":
    main()
