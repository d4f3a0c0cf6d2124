"""Image classification with any ONNX model whose input format can be read from the file.

Conventions:
- One input of rank 4 with batch size 1: NCHW if the second dimension is 1 or 3, NHWC if the last one is.
  Height and width are those of the model, or 224 x 224 if it leaves them open.
- Colour is RGB; one channel is luminance.
- ``uint8`` inputs receive 0-255. Float inputs depend on ``normalisation``: ``unit`` 0-1, ``symmetric`` -1 to
  1, ``imagenet`` 0-1 standardised with ImageNet's mean and deviation, ``raw`` 0-255, ``auto`` standardised
  with the model's metadata ``mean`` and ``std`` (per channel, separated by commas, for values of 0-1), or
  ``unit`` without such metadata.
- The first output has one number per label: probabilities, or logits, to which a softmax is applied.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

OPEN_SIZE: Final = 224
IMAGENET: Final = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
NORMALISATIONS: Final = ("auto", "unit", "symmetric", "imagenet", "raw")
_ELEMENTS: Final = {
    "tensor(float)": np.dtype(np.float32),
    "tensor(float16)": np.dtype(np.float16),
    "tensor(double)": np.dtype(np.float64),
    "tensor(uint8)": np.dtype(np.uint8),
}


class ModelError(Exception):
    """A model cannot be used; the message gives the reason and the requirement."""


@dataclass(frozen=True)
class Shape:
    """Input and output of a model.

    Attributes:
        channels_first: True for NCHW.
        channels: 1 or 3.
        height: of the input in pixels.
        width: of the input in pixels.
        outputs: number of labels; None if the model leaves it open.
    """

    channels_first: bool
    channels: int
    height: int
    width: int
    outputs: int | None


def understand(input_shape: Sequence[Any], output_shape: Sequence[Any]) -> Shape:
    """The shape of an image classifier; ModelError if the model is not one.

    Args:
        input_shape: as ONNX Runtime reports it; open dimensions are not of type ``int``.
        output_shape: the same for the first output.
    """
    if len(input_shape) != 4:
        raise ModelError(f"its input has shape {list(input_shape)}; an image classifier takes rank 4")
    if isinstance(input_shape[0], int) and input_shape[0] != 1:
        raise ModelError(f"it takes batches of {input_shape[0]}; export it for batches of 1")
    if input_shape[1] in (1, 3):
        first, channels, sides = True, input_shape[1], input_shape[2:]
    elif input_shape[3] in (1, 3):
        first, channels, sides = False, input_shape[3], input_shape[1:3]
    else:
        shape = list(input_shape)
        raise ModelError(f"its input has shape {shape}; neither NCHW nor NHWC with 1 or 3 channels")
    height, width = (side if isinstance(side, int) and side > 0 else OPEN_SIZE for side in sides)
    # Some exporters keep a spatial dimension of 1 x 1 after the labels.
    numbers = list(output_shape)
    if len(numbers) > 1:
        numbers = [size for size in numbers[1:] if size != 1]
    if len(numbers) > 1:
        raise ModelError(f"its output has shape {list(output_shape)}; one number per label is required")
    outputs = numbers[0] if numbers and isinstance(numbers[0], int) else None
    return Shape(first, channels, height, width, outputs)


def read_labels(path: Path) -> tuple[str, ...]:
    """Read one label per line; ModelError if there are none."""
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise ModelError(f"{path}: not a text file with one label per line") from None
    labels = tuple(line.strip() for line in text.strip().splitlines())
    if not any(labels):
        raise ModelError(f"{path}: contains no labels")
    return labels


def scaling(
    normalisation: str, channels: int, metadata: Mapping[str, str]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Factor and summand per channel that convert 0-255 to the model's input.

    Raises:
        ModelError: the model's metadata are invalid.
    """
    mean: Sequence[float] = (0.0,)
    std: Sequence[float] = (1.0,)
    if normalisation == "raw":
        std = (1 / 255,)
    elif normalisation == "symmetric":
        mean, std = (0.5,), (0.5,)
    elif normalisation == "imagenet":
        mean, std = IMAGENET
    elif normalisation == "auto" and {"mean", "std"} <= set(metadata):
        mean, std = (_numbers(name, metadata[name], channels) for name in ("mean", "std"))
    factor = 1 / (255 * np.asarray(std[:channels], dtype=np.float64))
    summand = -np.asarray(mean[:channels]) / np.asarray(std[:channels])
    return factor.astype(np.float32), summand.astype(np.float32)


def _numbers(name: str, text: str, channels: int) -> tuple[float, ...]:
    try:
        numbers = tuple(float(part) for part in text.split(","))
    except ValueError:
        numbers = ()
    if len(numbers) not in (1, channels) or (name == "std" and not all(numbers)):
        raise ModelError(f'its metadata "{name}" is "{text}"; {channels} numbers are required')
    return numbers


def probabilities(output: NDArray[Any]) -> NDArray[np.float64]:
    """The output as probabilities; applies a softmax to logits."""
    values = np.asarray(output, dtype=np.float64).ravel()
    if values.size and values.min() >= 0 and abs(values.sum() - 1) < 1e-3:
        return values
    powers = np.exp(values - values.max())
    return np.asarray(powers / powers.sum())


class Classifier:
    """A loaded model; ``classify`` is thread-safe.

    Attributes:
        shape: its input and output.
        labels: labels of its outputs.
    """

    def __init__(self, model: Path, labels: Path, normalisation: str = "auto") -> None:
        self.labels = read_labels(labels)
        self._session = open_session(model)
        source = self._session.get_inputs()[0]
        try:
            self.shape = inspect(self._session)
            self._element = _ELEMENTS[source.type]
            metadata = self._session.get_modelmeta().custom_metadata_map
            self._factor, self._summand = scaling(normalisation, self.shape.channels, metadata)
        except ModelError as error:
            raise ModelError(f"{model}: {error}") from None
        self._input = source.name
        self._output = self._session.get_outputs()[0].name
        if self.shape.outputs is not None:
            self._compare_labels(self.shape.outputs)

    def classify(self, image: NDArray[np.uint8]) -> tuple[str, float]:
        """Label and confidence of an RGB image of any size."""
        output = self._session.run([self._output], {self._input: self._prepare(image)})[0]
        shares = probabilities(output)
        self._compare_labels(shares.size)
        best = int(shares.argmax())
        return self.labels[best], float(shares[best])

    def warm_up(self) -> None:
        """Run once, so that the first request does not include one-time initialisation."""
        self.classify(np.zeros((self.shape.height, self.shape.width, 3), dtype=np.uint8))

    def _prepare(self, image: NDArray[np.uint8]) -> NDArray[Any]:
        import cv2

        size = (self.shape.width, self.shape.height)
        pixels: Any = image
        if (image.shape[1], image.shape[0]) != size:
            pixels = cv2.resize(pixels, size, interpolation=cv2.INTER_LINEAR)
        if self.shape.channels == 1:
            pixels = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)[:, :, None]
        if self._element != np.uint8:
            pixels = pixels * self._factor + self._summand
        if self.shape.channels_first:
            pixels = pixels.transpose(2, 0, 1)
        prepared: NDArray[Any] = np.ascontiguousarray(pixels[None].astype(self._element, copy=False))
        return prepared

    def _compare_labels(self, outputs: int) -> None:
        if outputs != len(self.labels):
            raise ModelError(f"the model has {outputs} outputs, but there are {len(self.labels)} labels")


def open_session(model: Path) -> Any:
    """A single-threaded ONNX Runtime session without spinning; ModelError if the file is not a model."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.add_session_config_entry("session.inter_op.allow_spinning", "0")
    options.log_severity_level = 3
    try:
        return onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
    except Exception as error:
        # ONNX Runtime's own exceptions have no common base below Exception.
        raise ModelError(f"{model}: ONNX Runtime cannot load this file ({error})") from error


def inspect(session: Any) -> Shape:
    """Input and output of a session's model; ModelError if it is not an image classifier."""
    inputs, outputs = session.get_inputs(), session.get_outputs()
    if len(inputs) != 1:
        raise ModelError(f"it has {len(inputs)} inputs; an image classifier has 1")
    if inputs[0].type not in _ELEMENTS:
        raise ModelError(f"its input is a {inputs[0].type}; float or uint8 is required")
    return understand(inputs[0].shape, outputs[0].shape)
