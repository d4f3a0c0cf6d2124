"""What both programs do alike: loading the model, and not waiting for ever.

The libraries' own pools of threads are limited by the environment, see ``settings.py``.
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
    """The model in a program's folder, loaded and run once; ModelError if it cannot be used."""
    classifier = Classifier(folder / MODEL_FILE, folder / LABELS_FILE, normalisation)
    classifier.warm_up()
    return classifier


def leave(status: int) -> NoReturn:
    """End the program: threads of the transport's library must not keep it alive."""
    sys.stdout.flush()
    os._exit(status)


def within(timeout_s: float, action: Callable[[], None]) -> bool:
    """Do something that may hang, such as closing a connection to a dead peer; whether it came to an end."""
    thread = threading.Thread(target=action, name="closing", daemon=True)
    thread.start()
    thread.join(timeout_s)
    return not thread.is_alive()
