"""Reading videos and ground truths, preparing frames, and the service that classifies them."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest

from application.video import files, frames
from application.video.message import Answer, Frame
from application.video.model import Classifier
from application.video.service import Service
from continuum.sdk.session import Identity, Session


def test_the_camera_plays_without_end() -> None:
    length = len(frames.read_truth(files.CLIP_TRUTH))
    camera = frames.Camera(files.CLIP, length + 3, 1024)
    indices = [camera.next().index for _ in range(length + 3)]
    assert indices == [*range(length), 0, 1, 2]
    assert not camera.is_cut


def test_the_camera_decodes_nothing_while_it_plays(monkeypatch: pytest.MonkeyPatch) -> None:
    camera = frames.Camera(files.CLIP, 5, 1024)
    monkeypatch.setattr(frames.cv2, "VideoCapture", None)
    assert [camera.next().index for _ in range(7)] == [0, 1, 2, 3, 4, 0, 1]


@pytest.mark.parametrize(("needed", "memory_mb", "length", "is_cut"), [(9, 4, 4, True), (4, 4, 4, False)])
def test_the_camera_keeps_what_fits(needed: int, memory_mb: int, length: int, is_cut: bool) -> None:
    camera = frames.Camera(files.CLIP, needed, memory_mb)  # a frame takes 0.9 MiB
    assert (len(camera), camera.is_cut) == (length, is_cut)


def test_the_camera_has_at_least_one_frame() -> None:
    assert len(frames.Camera(files.CLIP, 0, 0)) == 1


def test_a_file_that_is_no_video(tmp_path: Path) -> None:
    junk = tmp_path / "junk.mp4"
    junk.write_bytes(b"junk" * 100)
    with pytest.raises(frames.VideoError, match="cannot read this video"):
        next(frames.read_frames(junk))
    with pytest.raises(frames.VideoError, match="cannot read this video"):
        frames.Camera(junk, 1, 1)


@pytest.mark.parametrize("size", [(224, 224), (64, 48), (1280, 960)])
def test_a_frame_goes_through_jpeg(size: tuple[int, int]) -> None:
    image = np.zeros((480, 640, 3), np.uint8)
    image[:, :320] = (0, 0, 255)  # red, as OpenCV orders colours
    seen = frames.decode(frames.encode(image, size, 95))
    assert seen.shape == (size[1], size[0], 3)
    assert np.allclose(seen[size[1] // 2, size[0] // 4], (255, 0, 0), atol=8)
    assert np.allclose(seen[size[1] // 2, -size[0] // 4], 0, atol=8)


def test_lower_quality_makes_smaller_frames() -> None:
    image = next(frames.read_frames(files.CLIP)).image
    sizes = [len(frames.encode(image, (224, 224), quality)) for quality in (20, 60, 95)]
    assert sizes == sorted(sizes)
    assert sizes[2] > 2 * sizes[0]


@pytest.mark.parametrize("data", [b"", b"junk"])
def test_what_is_no_image(data: bytes) -> None:
    with pytest.raises(ValueError, match="not an image"):
        frames.decode(data)


def test_a_ground_truth(tmp_path: Path) -> None:
    path = tmp_path / "truth.csv"
    path.write_text("label, frame\n".replace(" ", "") + "7,0\n cat ,12\n", encoding="utf-8")
    assert frames.read_truth(path) == {0: "7", 12: "cat"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", ":1: the first line"),
        ("a,b\n0,7\n", ":1: the first line"),
        ("frame,label\n0,7\nx,7\n", ":3: not a frame"),
    ],
)
def test_a_ground_truth_of_another_shape(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "truth.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match=message):
        frames.read_truth(path)


class Answers:
    """Collects what a service answers."""

    def __init__(self) -> None:
        self.found: list[Answer] = []
        self._news = threading.Condition()

    def __call__(self, _endpoint: str, answer: Answer) -> None:
        with self._news:
            self.found.append(answer)
            self._news.notify_all()

    def wait(self, number: int) -> list[Answer]:
        with self._news:
            assert self._news.wait_for(lambda: len(self.found) >= number, timeout=30)
            return self.found


def make_service(folder: Path, queue_size: int = 10) -> tuple[Service, Answers, Session]:
    session = Session(Identity("edge0", "worker", 0, "run"), folder, folder)
    service = Service("edge0", Classifier(files.MODEL, files.LABELS), session, 2, queue_size)
    answers = Answers()
    service.reply = answers
    return service, answers, session


def test_the_service_tells_what_size_frames_should_have(tmp_path: Path) -> None:
    service, answers, _ = make_service(tmp_path)
    service.receive(Frame("endpoint0", "").encode())
    assert answers.wait(1) == [Answer("", "edge0", width=224, height=224)]


def test_a_frame_that_is_no_image_fails_and_the_next_one_does_not(tmp_path: Path) -> None:
    service, answers, _ = make_service(tmp_path)
    service.start()
    service.receive(b"junk")
    service.receive(Frame("endpoint0", "bad", b"junk").encode())
    image = next(frames.read_frames(files.CLIP)).image
    service.receive(Frame("endpoint0", "good", frames.encode(image, (224, 224), 90)).encode())
    found = {answer.request: answer for answer in answers.wait(2)}
    service.stop(10)
    assert found["bad"].failure == "ValueError: not an image"
    assert found["good"].label == frames.read_truth(files.CLIP_TRUTH)[0]


def test_a_full_queue_refuses(tmp_path: Path) -> None:
    service, answers, session = make_service(tmp_path, queue_size=2)
    for number in range(3):  # nobody takes them: the service has not started
        service.receive(Frame("endpoint0", f"r{number}", b"x").encode())
    assert answers.wait(1) == [Answer("r2", "edge0", failure="queue full (2)")]
    session.flush()
    lines = (tmp_path / "events.jsonl").read_text().splitlines()
    assert [('"r":"r0"' in line, '"queue_depth":0' in line) for line in lines] == [
        (True, True),
        (False, False),
    ]


def test_a_service_that_stops_leaves_what_waits(tmp_path: Path) -> None:
    service, answers, _ = make_service(tmp_path)
    service.receive(Frame("endpoint0", "waits", b"x").encode())
    service.stop(1)
    service.receive(Frame("endpoint0", "late", b"x").encode())
    service.start()
    service.stop(10)
    assert answers.found == []
