"""The stages of a frame, in order."""

from __future__ import annotations

from typing import Final

PREPROCESS: Final = "preprocess"
"""The endpoint resizes the frame and encodes it as JPEG."""

UPLINK: Final = "uplink"
"""The frame travels to the worker, waiting for the network included."""

QUEUE: Final = "queue"
"""The frame waits at the worker."""

PROCESS: Final = "process"
"""An inference thread decodes and classifies the frame."""

DOWNLINK: Final = "downlink"
"""The answer travels to the endpoint."""

STAGES: Final = (PREPROCESS, UPLINK, QUEUE, PROCESS, DOWNLINK)
