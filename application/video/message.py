"""Messages between endpoints and workers: a JSON line, followed by the bytes of a JPEG, if any."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class Frame:
    """A frame to classify, or the question for the size of frames if it has no request.

    Attributes:
        endpoint: name of the sender.
        request: id of the request; empty for the question.
        image: the frame as JPEG.
    """

    endpoint: str
    request: str
    image: bytes = b""

    def encode(self) -> bytes:
        """The bytes of the message."""
        return json.dumps([self.endpoint, self.request]).encode() + b"\n" + self.image

    @classmethod
    def decode(cls, message: bytes) -> Frame:
        """The message from its bytes; ValueError if they are invalid."""
        head, found, image = message.partition(b"\n")
        values = json.loads(head)
        if not found or not isinstance(values, list) or len(values) != 2:
            raise ValueError(f"not a frame: {head[:80]!r}")
        return cls(str(values[0]), str(values[1]), image)


@dataclass(frozen=True)
class Answer:
    """The answer of a worker.

    Attributes:
        request: id of the request; empty for the answer to the question for the size.
        worker: name of the worker.
        label: the label of the frame.
        confidence: 0 to 1.
        failure: why there is no label; empty if there is one.
        width: width of the model's input in pixels; 0 in answers to frames.
        height: height of the model's input in pixels; 0 in answers to frames.
    """

    request: str
    worker: str = ""
    label: str = ""
    confidence: float = 0.0
    failure: str = ""
    width: int = 0
    height: int = 0

    def encode(self) -> bytes:
        """The bytes of the message."""
        return json.dumps(asdict(self)).encode()

    @classmethod
    def decode(cls, message: bytes) -> Answer:
        """The message from its bytes; ValueError if they are invalid."""
        values = json.loads(message)
        try:
            return cls(**values)
        except TypeError as error:
            raise ValueError(f"not an answer: {message[:80]!r}") from error
