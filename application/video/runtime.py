"""Functions that both programs use: load the model, end the program, bound an action in time.

Environment variables limit the thread pools of libraries, see ``settings.py``.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

from application.video.model import Classifier
from application.video.settings import LABELS_FILE, MODEL_FILE


def load_classifier(folder: Path, normalisation: str) -> Classifier:
    """Load the model in a program's folder and run it once; ModelError if it cannot be used."""
    classifier = Classifier(folder / MODEL_FILE, folder / LABELS_FILE, normalisation)
    classifier.warm_up()
    return classifier


def leave(status: int) -> NoReturn:
    """End the program, even if threads of the transport's library still run."""
    sys.stdout.flush()
    os._exit(status)


def within(timeout_s: float, action: Callable[[], None]) -> bool:
    """Run an action that may hang, such as closing a connection; returns whether it ended in time."""
    thread = threading.Thread(target=action, name="closing", daemon=True)
    thread.start()
    thread.join(timeout_s)
    return not thread.is_alive()
