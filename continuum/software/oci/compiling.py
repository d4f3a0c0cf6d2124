"""Bytecode for Python files in an image, so that containers do not compile them at every start."""

from __future__ import annotations

from pathlib import Path

from continuum.software.packages import bytecode
from continuum.software.packages.interpreter import Interpreter


def compile_tree(tree: Path, place: str, interpreter: Interpreter) -> bool:
    """Compile a folder of Python files; returns False if no Python of this host can.

    Args:
        tree: the folder to compile in place.
        place: the path of the folder in the image.
        interpreter: the interpreter that will run the files.
    """
    python = bytecode.compiler(interpreter)
    return python is not None and bytecode.compile_tree(tree, python, place)
