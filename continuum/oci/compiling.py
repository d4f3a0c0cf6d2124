"""Byte code for Python files in an image, so that containers need not compile them at every start."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from continuum.packages.interpreter import Interpreter

TIMEOUT_S = 600


def compile_tree(tree: Path, place: str, interpreter: Interpreter) -> bool:
    """Compile a folder of Python files, if this Python's byte code is that interpreter's; says whether.

    The byte code does not depend on dates, for an image's files have none. Files that cannot be compiled,
    such as some of tests, are passed over.

    Args:
        tree: the folder, whose files are compiled where they are.
        place: the path it will have in the image.
        interpreter: what will run the files.
    """
    if sys.version_info[:2] != interpreter.version[:2] or interpreter.implementation != "cpython":
        return False
    command = [sys.executable, "-I", "-m", "compileall", "-q", "-q", "-j", "0"]
    command += ["--invalidation-mode", "unchecked-hash", "-s", str(tree), "-p", place, str(tree)]
    try:
        subprocess.run(command, timeout=TIMEOUT_S, capture_output=True, check=False)
    except subprocess.TimeoutExpired:
        return False
    return True
