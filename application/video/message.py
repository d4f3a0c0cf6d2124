"""What endpoints and workers say to each other: a JSON line, then the bytes of a JPEG, if any."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class Frame:
    """A frame to classify; without an image, the question what size frames should have.

    Attributes:
        endpoint: who asks.
        request: id of the request; empty for the question.
        image: JPEG.
    """

    endpoint: str
    request: str
    image: bytes = b""

    def encode(self) -> bytes:
        """As it is sent."""
        return json.dumps([self.endpoint, self.request]).encode() + b"\n" + self.image

    @classmethod
    def decode(cls, message: bytes) -> Frame:
        """As it was sent; ValueError if it was not."""
        head, found, image = message.partition(b"\n")
        values = json.loads(head)
        if not found or not isinstance(values, list) or len(values) != 2:
            raise ValueError(f"not a frame: {head[:80]!r}")
        return cls(str(values[0]), str(values[1]), image)


@dataclass(frozen=True)
class Answer:
    """What a worker says about a frame.

    Attributes:
        request: id of the request; empty for the answer to the question for the size.
        worker: who answers.
        label: what the frame shows.
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
        """As it is sent."""
        return json.dumps(asdict(self)).encode()

    @classmethod
    def decode(cls, message: bytes) -> Answer:
        """As it was sent; ValueError if it was not."""
        values = json.loads(message)
        try:
            return cls(**values)
        except TypeError as error:
            raise ValueError(f"not an answer: {message[:80]!r}") from error
