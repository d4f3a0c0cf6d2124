"""Start of the process: ``python -I -S .../pace RUN_ID``, with its plan on standard input.

Run as a program, this folder is the package ``pace``; its parent packages are not imported, which shortens
the start.
"""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parent.parent)
importlib.import_module("pace.process").main()
