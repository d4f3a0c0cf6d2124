"""Start of the fabric process: ``python -I -S .../fabric RUN_ID SEED``, listening socket as descriptor 0.

Run as a program, this folder is the package ``fabric``; its parent packages are not imported, which shortens
the start.
"""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parent.parent)
importlib.import_module("fabric.process").main(sys.argv)
