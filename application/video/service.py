"""The serving side: a bounded queue in front of inference threads.

A worker has one; so has an endpoint that classifies its own frames.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

from application.video import frames
from application.video.message import Answer, Frame
from application.video.model import Classifier
from application.video.transport import Way
from continuum.sdk.session import Session

Reply = Callable[[str, Answer], None]


def _drop(_endpoint: str, _answer: Answer) -> None:
    """No way back yet: an endpoint asks again until it is answered."""


@dataclass
class Service:
    """Classifies frames in the order of their arrival.

    Attributes:
        name: of this worker, as it stands in the results.
        classifier: the model.
        session: where events go.
        threads: inference threads.
        queue_size: frames that may wait; one more is refused.
        reply: sends an answer to an endpoint whose message did not say how; set once there is a way back.
    """

    name: str
    classifier: Classifier
    session: Session
    threads: int
    queue_size: int
    reply: Reply = _drop
    _waiting: queue.Queue[tuple[Frame, Way | None] | None] = field(init=False)
    _running: list[threading.Thread] = field(default_factory=list)
    _stopping: bool = False

    def __post_init__(self) -> None:
        self._waiting = queue.Queue(self.queue_size)

    def start(self) -> None:
        """Begin to classify."""
        for number in range(self.threads):
            thread = threading.Thread(target=self._work, name=f"inference{number}", daemon=True)
            thread.start()
            self._running.append(thread)

    def receive(self, message: bytes, way: Way | None = None) -> bool:
        """Take a message that has just arrived, in a thread of the transport; whether it will be answered."""
        arrival_ns = time.monotonic_ns()
        try:
            frame = Frame.decode(message)
        except ValueError:
            return False  # not from an endpoint of ours, so there is nobody to answer
        if self._stopping:
            return False
        if not frame.request:
            shape = self.classifier.shape
            self._answer(frame, way, Answer("", self.name, width=shape.width, height=shape.height))
            return True
        depth = self._waiting.qsize()
        try:
            self._waiting.put_nowait((frame, way))
        except queue.Full:
            self._refuse(frame, way, f"queue full ({self.queue_size})")
            return True
        if way and way.passed:
            self.session.record(frame.request, way.passed.stage, way.passed.began_ns)
        self.session.record(frame.request, "queue", arrival_ns, queue_depth=depth)
        return True

    def stop(self, timeout_s: float) -> None:
        """Finish what is being classified, leave the rest."""
        self._stopping = True
        with suppress(queue.Empty):
            while True:
                self._waiting.get_nowait()
        # The queue may be shorter than there are threads: each passes the word on.
        self._waiting.put(None)
        for thread in self._running:
            thread.join(timeout_s)

    def _work(self) -> None:
        while (taken := self._waiting.get()) is not None:
            frame, way = taken
            self.session.record(frame.request, "process")
            try:
                label, confidence = self.classifier.classify(frames.decode(frame.image))
            except Exception as error:
                self._refuse(frame, way, f"{type(error).__name__}: {error}")
                continue
            self.session.record(frame.request, "downlink")
            self._answer(frame, way, Answer(frame.request, self.name, label, confidence))
        self._waiting.put(None)

    def _refuse(self, frame: Frame, way: Way | None, reason: str) -> None:
        self._answer(frame, way, Answer(frame.request, self.name, failure=reason))

    def _answer(self, frame: Frame, way: Way | None, answer: Answer) -> None:
        if way is None:
            self.reply(frame.endpoint, answer)
        else:
            way.answer(answer.encode())
