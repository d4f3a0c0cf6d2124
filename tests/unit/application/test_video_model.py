"""The built-in model and clip, and what other models may look like."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from application.video import files, frames
from application.video.model import Classifier, ModelError, Shape, probabilities, scaling, understand


def make_model(
    path: Path, shape: list[Any], element: str = "FLOAT", softmax: bool = False, **metadata: str
) -> Path:
    """A model with three outputs: the mean of each colour."""
    onnx = pytest.importorskip("onnx")
    helper, kind = onnx.helper, getattr(onnx.TensorProto, element)
    axes = [2, 3] if shape[1] in (1, 3) else [1, 2]
    nodes = [
        helper.make_node("Cast", ["image"], ["floats"], to=onnx.TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["floats"], ["means"], axes=axes, keepdims=0),
    ]
    if softmax:
        nodes.append(helper.make_node("Softmax", ["means"], ["shares"], axis=1))
    colours = shape[1] if shape[1] in (1, 3) else shape[3]
    value, result = helper.make_tensor_value_info, "shares" if softmax else "means"
    graph = helper.make_graph(
        nodes, "means",
        [value("image", kind, shape)],
        [value(result, onnx.TensorProto.FLOAT, [1, colours])],
    )  # fmt: skip
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    helper.set_model_props(model, metadata)
    onnx.save(model, path)
    return path


@pytest.fixture
def labels(tmp_path: Path) -> Path:
    path = tmp_path / "labels.txt"
    path.write_text("red\ngreen\nblue\n", encoding="utf-8")
    return path


def plain(colour: tuple[int, int, int], size: tuple[int, int] = (20, 30)) -> frames.Image:
    return np.full((*size, 3), colour, dtype=np.uint8)


def test_the_built_in_model_reads_the_built_in_clip() -> None:
    classifier = Classifier(files.MODEL, files.LABELS)
    truth = frames.read_truth(files.CLIP_TRUTH)
    size = (classifier.shape.width, classifier.shape.height)
    right = []
    for frame in frames.read_frames(files.CLIP):
        label, confidence = classifier.classify(frames.decode(frames.encode(frame.image, size, 90)))
        assert 0 < confidence <= 1
        right.append(label == truth[frame.index])
    assert len(right) == len(truth) >= 100
    assert sum(right) / len(right) >= 0.97


def test_built_in_files_are_small() -> None:
    assert files.MODEL.stat().st_size < 5e6
    assert files.CLIP.stat().st_size < 3e6


@pytest.mark.parametrize("shape", [[1, 3, 16, 24], [1, 16, 24, 3], ["n", 3, "h", "w"], [1, 3, 16, "w"]])
@pytest.mark.parametrize("element", ["FLOAT", "UINT8", "FLOAT16"])
def test_layouts_and_element_types(tmp_path: Path, labels: Path, shape: list[Any], element: str) -> None:
    classifier = Classifier(make_model(tmp_path / "m.onnx", shape, element), labels)
    for colour, name in (((200, 10, 10), "red"), ((10, 200, 10), "green"), ((10, 10, 200), "blue")):
        assert classifier.classify(plain(colour))[0] == name


def test_open_sides_get_the_usual_size(tmp_path: Path, labels: Path) -> None:
    shape = Classifier(make_model(tmp_path / "m.onnx", ["n", 3, "h", "w"]), labels).shape
    assert (shape.height, shape.width) == (224, 224)


def test_probabilities_are_left_alone_and_logits_get_a_softmax(tmp_path: Path, labels: Path) -> None:
    given = Classifier(make_model(tmp_path / "p.onnx", [1, 3, 8, 8], softmax=True), labels)
    logits = Classifier(make_model(tmp_path / "l.onnx", [1, 3, 8, 8]), labels)
    image = plain((255, 153, 0))
    assert given.classify(image)[0] == logits.classify(image)[0] == "red"
    assert given.classify(image)[1] == pytest.approx(logits.classify(image)[1])
    assert given.classify(image)[1] == pytest.approx(np.e / (np.e + np.exp(0.6) + 1), abs=1e-3)
    assert probabilities(np.array([[1000.0, 0.0]])).tolist() == [1.0, 0.0]


def test_metadata_of_the_model_normalise(tmp_path: Path) -> None:
    one = tmp_path / "one.txt"
    one.write_text("grey\n", encoding="utf-8")
    model = make_model(tmp_path / "m.onnx", [1, 1, 8, 8], mean="0.5", std="0.25")
    assert Classifier(model, one).classify(plain((9, 9, 9))) == ("grey", 1.0)
    factor, summand = scaling("auto", 1, {"mean": "0.5", "std": "0.25"})
    assert (255 * factor + summand).tolist() == [2.0]


@pytest.mark.parametrize(
    ("normalisation", "black", "white"),
    [("auto", 0, 1), ("unit", 0, 1), ("symmetric", -1, 1), ("raw", 0, 255), ("imagenet", -2.1179, 2.2489)],
)
def test_normalisations(normalisation: str, black: float, white: float) -> None:
    factor, summand = scaling(normalisation, 3, {})
    assert summand[0] == pytest.approx(black, abs=1e-4)
    assert 255 * factor[0] + summand[0] == pytest.approx(white, abs=1e-3)


@pytest.mark.parametrize(
    "metadata", [{"mean": "a", "std": "1"}, {"mean": "0,0", "std": "1"}, {"mean": "0", "std": "0"}]
)
def test_senseless_metadata_are_refused(metadata: dict[str, str]) -> None:
    with pytest.raises(ModelError, match="metadata"):
        scaling("auto", 3, metadata)


@pytest.mark.parametrize(
    ("inputs", "outputs", "message"),
    [
        ([1, 3, 224], [1, 10], "rank 4"),
        ([8, 3, 224, 224], [8, 10], "batches of 8"),
        ([1, 4, 224, 224], [1, 10], "neither NCHW nor NHWC"),
        ([1, 3, 224, 224], [1, 10, 5], "one number per label"),
    ],
)
def test_shapes_that_are_no_classifier(inputs: list[int], outputs: list[int], message: str) -> None:
    with pytest.raises(ModelError, match=message):
        understand(inputs, outputs)


def test_shapes_that_are() -> None:
    assert understand([1, 3, 240, 320], [1, 10]) == Shape(True, 3, 240, 320, 10)
    assert understand(["n", "h", "w", 1], ["n", 10]) == Shape(False, 1, 224, 224, 10)
    assert understand([1, 3, 8, 8], [1, 1000, 1, 1]).outputs == 1000
    assert understand([1, 3, 8, 8], ["n", "labels"]).outputs is None


def test_what_is_no_model(tmp_path: Path, labels: Path) -> None:
    junk = tmp_path / "junk.onnx"
    junk.write_bytes(b"junk")
    with pytest.raises(ModelError, match="cannot load this file"):
        Classifier(junk, labels)


def test_labels_must_match(tmp_path: Path, labels: Path) -> None:
    with pytest.raises(ModelError, match="10 outputs, but there are 3 labels"):
        Classifier(files.MODEL, labels)
    empty = tmp_path / "empty.txt"
    empty.write_text("\n", encoding="utf-8")
    with pytest.raises(ModelError, match="no labels"):
        Classifier(files.MODEL, empty)
