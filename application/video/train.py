"""Trains the built-in model and writes ``parcels.onnx`` and ``parcels.txt`` beside this file.

    python -m application.video.train          (with the ``train`` extra and scikit-image installed)

The network is a small MobileNet (Howard et al., 2017): depthwise separable convolutions and global average
pooling. Training starts with narrow crops around the label, continues with wider ones and ends with whole
frames; with whole frames alone it takes many times longer. All random numbers are seeded.
"""

from __future__ import annotations

import argparse
import json
import platform
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from application.video import compose

HERE: Final = Path(__file__).resolve().parent
INPUT: Final = 224
VARIETY: Final = 0.2
OPSET: Final = 18
# The newest that ONNX Runtime 1.16 reads.
IR_VERSION: Final = 9
MEAN: Final = (0.485, 0.456, 0.406)
STD: Final = (0.229, 0.224, 0.225)
# Channels after the stem, then (channels, stride) of every separable block.
STEM: Final = 32
BLOCKS: Final = (
    (64, 1), (64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (256, 1), (384, 2), (384, 1), (512, 2),
)  # fmt: skip


@dataclass(frozen=True)
class Phase:
    """A phase of training.

    Attributes:
        crop: edge of the crops around the label in pixels; that of the input for whole frames.
        steps: number of batches.
        peak: highest learning rate.
    """

    crop: int
    steps: int
    peak: float


PHASES: Final = (Phase(68, 400, 6e-3), Phase(112, 500, 4e-3), Phase(INPUT, 220, 2e-3))
BATCH: Final = 32


@dataclass(frozen=True)
class Source:
    """Digits and photographs to compose frames from."""

    digits: compose.Digits
    photographs: list[compose.Image]


def separable(inputs: int, outputs: int, stride: int) -> Any:
    """A depthwise 3 x 3 and a pointwise convolution, each with batch normalisation and ReLU."""
    return nn.Sequential(
        nn.Conv2d(inputs, inputs, 3, stride, 1, groups=inputs, bias=False),
        nn.BatchNorm2d(inputs),
        nn.ReLU(),
        nn.Conv2d(inputs, outputs, 1, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(),
    )


def build_network() -> Any:
    """The network: (n, 3, height, width) normalised RGB -> (n, 10) logits."""
    layers = [nn.Conv2d(3, STEM, 3, 2, 1, bias=False), nn.BatchNorm2d(STEM), nn.ReLU()]
    channels = STEM
    for outputs, stride in BLOCKS:
        layers.append(separable(channels, outputs, stride))
        channels = outputs
    layers += [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(0.2), nn.Linear(channels, 10)]
    return nn.Sequential(*layers).to(memory_format=torch.channels_last)


def samples(source: Source, crop: int, rng: np.random.Generator) -> tuple[compose.Image, int]:
    """One training image, resized to the model's input, and its digit."""
    index = int(rng.integers(len(source.digits.labels)))
    photo = source.photographs[int(rng.integers(len(source.photographs)))]
    where = compose.random_placement(rng)
    image = compose.random_frame(photo, source.digits.images[index], (INPUT, INPUT), rng, where, VARIETY)
    image = compose.through_jpeg(image, int(rng.integers(60, 97)))
    left, top = (
        int(np.clip(centre * INPUT - crop / 2 + rng.uniform(-0.1, 0.1) * crop, 0, INPUT - crop))
        for centre in (where.x, where.y)
    )
    return image[top : top + crop, left : left + crop], int(source.digits.labels[index])


def batches(source: Source, crop: int, rng: np.random.Generator) -> Iterator[Any]:
    """Endless batches of normalised images and their digits."""
    while True:
        drawn = [samples(source, crop, rng) for _ in range(BATCH)]
        images = normalise(np.stack([image for image, _ in drawn]))
        yield torch.from_numpy(images), torch.tensor([digit for _, digit in drawn])


def normalise(images: compose.Image) -> NDArray[np.float32]:
    """Convert RGB images (n, height, width, 3) of 0-255 to the network's input."""
    scaled = (images.astype(np.float32) / 255 - np.array(MEAN, np.float32)) / np.array(STD, np.float32)
    return np.ascontiguousarray(scaled.transpose(0, 3, 1, 2))


def train(network: Any, source: Source, phase: Phase, steps: int) -> None:
    """One phase of training with a one-cycle learning rate; prints the running loss."""
    optimiser = torch.optim.AdamW(network.parameters(), lr=phase.peak, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, phase.peak, total_steps=steps, pct_start=0.15)
    rng = np.random.default_rng(compose.SEED + phase.crop)
    network.train()
    began, running = time.monotonic(), 2.3
    for step, (drawn, digits) in zip(range(steps), batches(source, phase.crop, rng), strict=False):
        images = drawn.contiguous(memory_format=torch.channels_last)
        loss = nn.functional.cross_entropy(network(images), digits, label_smoothing=0.05)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
        running = 0.97 * running + 0.03 * float(loss.detach())
        if step % 50 == 49:
            print(f"  {step + 1}/{steps}: loss {running:.3f}, {time.monotonic() - began:.0f} s", flush=True)


def held_out_frames(count: int) -> Iterator[tuple[compose.Image, int]]:
    """Camera frames of held-out digits and photographs, after JPEG encoding."""
    _, digits = compose.load_digits()
    photographs = compose.load_photographs(compose.HELD_OUT_PHOTOGRAPHS)
    rng = np.random.default_rng(compose.SEED + 1)
    for number in range(count):
        index = number % len(digits.labels)
        photo = photographs[int(rng.integers(len(photographs)))]
        frame = compose.random_frame(photo, digits.images[index], compose.FRAME_SIZE, rng)
        small = cv2.resize(frame, (INPUT, INPUT), interpolation=cv2.INTER_AREA)
        yield compose.through_jpeg(np.asarray(small, dtype=np.uint8), 90), int(digits.labels[index])


def evaluate(network: Any, count: int) -> float:
    """ProgramResources of held-out frames the network reads correctly."""
    network.eval()
    correct = 0
    with torch.no_grad():
        for frame, digit in held_out_frames(count):
            logits = network(torch.from_numpy(normalise(frame[None])))
            correct += int(logits.argmax()) == digit
    return correct / count


def export(network: Any, path: Path) -> None:
    """Write the network as ONNX, with its normalisation as metadata."""
    import onnx

    network = network.eval().to(memory_format=torch.contiguous_format)
    program = torch.onnx.export(
        network, (torch.zeros(1, 3, INPUT, INPUT),), input_names=["frame"], output_names=["logits"],
        opset_version=OPSET, dynamo=True, external_data=False, verbose=False,
    )  # fmt: skip
    model = program.model_proto
    model.ir_version = IR_VERSION
    del model.metadata_props[:]
    for part in (*model.graph.node, *model.graph.value_info, *model.graph.input, model.graph):
        del part.metadata_props[:]
    for key, value in (("mean", MEAN), ("std", STD)):
        model.metadata_props.add(key=key, value=",".join(f"{number:g}" for number in value))
    onnx.checker.check_model(model)
    onnx.save(model, path)


def main() -> None:
    """Train, evaluate, export."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--share", type=float, default=1.0, help="share of the training steps to do")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--held-out", type=int, default=1436, help="held-out frames to evaluate on")
    parser.add_argument("--output", type=Path, default=HERE / "parcels.onnx")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(compose.SEED)
    began = time.monotonic()
    digits, _ = compose.load_digits()
    source = Source(digits, compose.load_photographs(compose.TRAIN_PHOTOGRAPHS))
    network = build_network()
    for phase in PHASES:
        print(f"crops of {phase.crop} pixels", flush=True)
        train(network, source, phase, max(2, round(options.share * phase.steps)))
    minutes = (time.monotonic() - began) / 60
    export(network, options.output)
    options.output.with_suffix(".txt").write_text("".join(f"{digit}\n" for digit in range(10)))
    accuracy = evaluate(network, options.held_out)
    print(json.dumps({
        "accuracy": round(accuracy, 4), "held_out_frames": options.held_out, "seed": compose.SEED,
        "minutes": round(minutes, 1), "bytes": options.output.stat().st_size,
        "parameters": sum(part.numel() for part in network.parameters()),
        "python": platform.python_version(), "torch": torch.__version__, "numpy": np.__version__,
        "opencv": cv2.__version__, "opset": OPSET,
    }))  # fmt: skip


if __name__ == "__main__":
    main()
