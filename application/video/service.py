"""The serving side: a bounded queue in front of inference threads.

Used by workers and by endpoints that serve themselves.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

from application.video import frames, stages
from application.video.message import Answer, Frame
from application.video.model import Classifier
from application.video.transport import Origin
from continuum.sdk.session import Session

Reply = Callable[[str, Answer], None]


def _drop(_endpoint: str, _answer: Answer) -> None:
    """Drop an answer while there is no connection yet; endpoints repeat their question."""


@dataclass
class Service:
    """Classifies frames in the order of their arrival.

    Attributes:
        name: name of this worker in the results.
        classifier: the model.
        session: records the events.
        threads: number of inference threads.
        queue_size: frames that may wait; further ones are refused.
        reply: sends an answer to an endpoint by its name, for messages without an ``Origin``.
    """

    name: str
    classifier: Classifier
    session: Session
    threads: int
    queue_size: int
    reply: Reply = _drop
    _waiting: queue.Queue[tuple[Frame, Origin | None] | None] = field(init=False)
    _running: list[threading.Thread] = field(default_factory=list)
    _stopping: bool = False

    def __post_init__(self) -> None:
        self._waiting = queue.Queue(self.queue_size)

    def start(self) -> None:
        """Start the inference threads."""
        for number in range(self.threads):
            thread = threading.Thread(target=self._work, name=f"inference{number}", daemon=True)
            thread.start()
            self._running.append(thread)

    def receive(self, message: bytes, origin: Origin | None = None) -> bool:
        """Handle a message in a thread of the transport, on its arrival; returns whether it is answered."""
        arrival_ns = time.monotonic_ns()
        try:
            frame = Frame.decode(message)
        except ValueError:
            return False  # not from an endpoint of this run
        if self._stopping:
            return False
        if not frame.request:
            shape = self.classifier.shape
            self._answer(frame, origin, Answer("", self.name, width=shape.width, height=shape.height))
            return True
        depth = self._waiting.qsize()
        try:
            self._waiting.put_nowait((frame, origin))
        except queue.Full:
            self._refuse(frame, origin, f"queue full ({self.queue_size})")
            return True
        if origin and origin.passed:
            self.session.record(frame.request, origin.passed.stage, origin.passed.began_ns)
        self.session.record(frame.request, stages.QUEUE, arrival_ns, queue_depth=depth)
        return True

    def stop(self, timeout_s: float) -> None:
        """Finish the frames being classified and discard the waiting ones."""
        self._stopping = True
        with suppress(queue.Empty):
            while True:
                self._waiting.get_nowait()
        # The queue may be shorter than the number of threads: each thread passes the end marker on.
        self._waiting.put(None)
        for thread in self._running:
            thread.join(timeout_s)

    def _work(self) -> None:
        while (taken := self._waiting.get()) is not None:
            frame, origin = taken
            self.session.record(frame.request, stages.PROCESS)
            try:
                label, confidence = self.classifier.classify(frames.decode(frame.image))
            except Exception as error:
                self._refuse(frame, origin, f"{type(error).__name__}: {error}")
                continue
            self.session.record(frame.request, stages.DOWNLINK)
            self._answer(frame, origin, Answer(frame.request, self.name, label, confidence))
        self._waiting.put(None)

    def _refuse(self, frame: Frame, origin: Origin | None, reason: str) -> None:
        self._answer(frame, origin, Answer(frame.request, self.name, failure=reason))

    def _answer(self, frame: Frame, origin: Origin | None, answer: Answer) -> None:
        if origin is None:
            self.reply(frame.endpoint, answer)
        else:
            origin.answer(answer.encode())
