"""Composes frames of handwritten digits on parcel labels in photographs, for training and for the clip.

Requires the extra ``train``; a benchmark run does not import this file. Held-out frames share neither digits
nor photographs with training.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]

SEED: Final = 20240
FRAME_SIZE: Final = (640, 480)
TRAIN_PHOTOGRAPHS: Final = (
    "flower", "astronaut", "rocket", "camera", "brick", "grass", "gravel", "clock", "hubble_deep_field",
)  # fmt: skip
HELD_OUT_PHOTOGRAPHS: Final = ("china", "coffee", "chelsea")
HELD_OUT_SHARE: Final = 0.2
_PATCH: Final = 128


@dataclass(frozen=True)
class Digits:
    """Handwritten digits of scikit-learn: 8 x 8 pixels, ink from 0 to 1.

    Attributes:
        images: shape (count, 8, 8), float32.
        labels: shape (count,), the digit each one shows.
    """

    images: NDArray[np.float32]
    labels: NDArray[np.int64]


@dataclass(frozen=True)
class Placement:
    """Position and shape of a label in a frame.

    Attributes:
        x: centre, as a share of the frame's width.
        y: centre, as a share of the frame's height.
        height: edge length, as a share of the frame's height.
        angle_deg: rotation.
        skew: displacement of each corner, as shares of the edge; shape (4, 2).
    """

    x: float
    y: float
    height: float
    angle_deg: float
    skew: NDArray[np.float32]


def load_photographs(names: tuple[str, ...]) -> list[Image]:
    """Load photographs as RGB, by their names in scikit-learn and scikit-image."""
    return [_load_photograph(name) for name in names]


def _load_photograph(name: str) -> Image:
    if name in {"china", "flower"}:
        datasets = importlib.import_module("sklearn.datasets")
        return np.asarray(datasets.load_sample_image(f"{name}.jpg"), dtype=np.uint8)
    photo = np.asarray(getattr(importlib.import_module("skimage.data"), name)())
    if photo.ndim == 2:
        photo = np.repeat(photo[:, :, None], 3, axis=2)
    return photo.astype(np.uint8)


def load_digits() -> tuple[Digits, Digits]:
    """Digits for training and held-out digits, a fixed fifth of every class."""
    data: Any = importlib.import_module("sklearn.datasets").load_digits()
    images = (data.images / 16).astype(np.float32)
    labels = data.target.astype(np.int64)
    rng = np.random.default_rng(SEED)
    held = np.zeros(len(labels), dtype=bool)
    for digit in range(10):
        members = np.flatnonzero(labels == digit)
        held[rng.permutation(members)[: round(len(members) * HELD_OUT_SHARE)]] = True
    return Digits(images[~held], labels[~held]), Digits(images[held], labels[held])


def random_background(photo: Image, size: tuple[int, int], rng: np.random.Generator) -> Image:
    """A crop of a photograph in the frame's aspect ratio, mirrored half of the time."""
    height, width = photo.shape[:2]
    aspect = FRAME_SIZE[0] / FRAME_SIZE[1]
    crop_h = int(min(height, width / aspect) * rng.uniform(0.45, 1.0))
    crop_w = int(crop_h * aspect)
    top = int(rng.integers(0, height - crop_h + 1))
    left = int(rng.integers(0, width - crop_w + 1))
    crop = photo[top : top + crop_h, left : left + crop_w]
    frame = cv2.resize(crop, size, interpolation=cv2.INTER_AREA)
    return np.ascontiguousarray(frame[:, ::-1] if rng.random() < 0.5 else frame)


def random_placement(rng: np.random.Generator) -> Placement:
    """A random placement within the frame."""
    height = rng.uniform(0.30, 0.50)
    half = height * 0.62
    return Placement(
        x=rng.uniform(half * 0.75, 1 - half * 0.75),
        y=rng.uniform(half, 1 - half),
        height=height,
        angle_deg=rng.uniform(-12, 12),
        skew=rng.uniform(-0.05, 0.05, (4, 2)).astype(np.float32),
    )


def draw_label(digit: NDArray[np.float32], rng: np.random.Generator, variety: float = 0.0) -> Image:
    """A square paper label with one handwritten digit, a border and a few printed lines.

    Args:
        digit: 8 x 8.
        rng: random source for paper and ink.
        variety: how much slant and proportions of the digit may vary.
    """
    paper = rng.uniform(205, 250) * rng.uniform([0.95, 0.94, 0.86], 1.0)
    ink = np.array([rng.uniform(0, 70), rng.uniform(0, 60), rng.uniform(0, 110)])
    label = np.empty((_PATCH, _PATCH, 3), np.float32)
    label[:] = paper
    edge = 92
    slant, wide, high = rng.uniform(-variety, variety, 3) * [1.0, 0.6, 0.6]
    shape = np.array([[1 + wide, slant], [0, 1 + high]]) * edge / 8
    centre = edge / 2 - shape @ [3.5, 3.5]
    stroke = cv2.warpAffine(digit, np.column_stack([shape, centre]), (edge, edge), flags=cv2.INTER_CUBIC)
    alpha = np.clip(stroke * rng.uniform(1.0, 1.5), 0, 1)[:, :, None]
    top, left = 10 + int(rng.integers(-3, 4)), (_PATCH - edge) // 2 + int(rng.integers(-6, 7))
    region = label[top : top + edge, left : left + edge]
    region[:] = region * (1 - alpha) + ink * alpha
    cv2.rectangle(label, (3, 3), (_PATCH - 4, _PATCH - 4), (60.0, 60.0, 60.0), 2)
    _print_lines(label, rng)
    return np.clip(label, 0, 255).astype(np.uint8)


def _print_lines(label: NDArray[np.float32], rng: np.random.Generator) -> None:
    """Draw bars like those of a bar code below the digit."""
    x = 14
    while x < _PATCH - 16:
        width = int(rng.integers(1, 4))
        cv2.rectangle(label, (x, _PATCH - 20), (x + width, _PATCH - 9), (40.0, 40.0, 40.0), -1)
        x += width + int(rng.integers(2, 6))


def paste(frame: Image, label: Image, where: Placement) -> Image:
    """The frame with the label and a soft shadow."""
    height, width = frame.shape[:2]
    matrix = _corners_matrix(where, width, height)
    mask = np.full(label.shape[:2], 255, np.uint8)
    moved = cv2.warpPerspective(label, matrix, (width, height), flags=cv2.INTER_AREA)
    alpha = cv2.warpPerspective(mask, matrix, (width, height)).astype(np.float32)[:, :, None] / 255
    offset = max(1, round(height * 0.012))
    shadow = cv2.blur(np.roll(alpha[:, :, 0], (offset, offset), (0, 1)), (2 * offset + 1, 2 * offset + 1))
    shaded = frame * (1 - 0.45 * shadow[:, :, None])
    return np.asarray(shaded * (1 - alpha) + moved * alpha, dtype=np.uint8)


def _corners_matrix(where: Placement, width: int, height: int) -> NDArray[np.float64]:
    edge = where.height * height
    unit = np.array([[-0.5, -0.5], [0.5, -0.5], [0.5, 0.5], [-0.5, 0.5]], np.float32) + where.skew
    angle = np.deg2rad(where.angle_deg)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    # The frame may have another aspect ratio than the camera, such as a square model input.
    squeeze = (width / height) / (FRAME_SIZE[0] / FRAME_SIZE[1])
    corners = unit @ turn.T * edge * np.array([squeeze, 1.0]) + [where.x * width, where.y * height]
    source = np.array([[0, 0], [_PATCH, 0], [_PATCH, _PATCH], [0, _PATCH]], np.float32)
    return np.asarray(cv2.getPerspectiveTransform(source, corners.astype(np.float32)))


def random_frame(
    photo: Image,
    digit: NDArray[np.float32],
    size: tuple[int, int],
    rng: np.random.Generator,
    where: Placement | None = None,
    variety: float = 0.0,
) -> Image:
    """A camera frame: a label in a photograph, with random light, focus and sensor noise."""
    frame = random_background(photo, size, rng)
    frame = paste(frame, draw_label(digit, rng, variety), where or random_placement(rng))
    light: NDArray[Any] = frame.astype(np.float32) * rng.uniform(0.7, 1.2) + rng.uniform(-15, 15)
    if rng.random() < 0.3:
        light = np.asarray(cv2.GaussianBlur(light, (0, 0), rng.uniform(0.3, 1.0) * size[1] / 240))
    light += rng.normal(0, rng.uniform(0, 6), (size[1], size[0], 1)).astype(np.float32)
    return np.asarray(np.clip(light, 0, 255), dtype=np.uint8)


def through_jpeg(frame: Image, quality: int) -> Image:
    """The frame after JPEG encoding and decoding."""
    done, data = cv2.imencode(".jpg", frame[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])
    if not done:
        raise ValueError(f"a frame of shape {frame.shape} could not be encoded as JPEG")
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), dtype=np.uint8)[:, :, ::-1]
