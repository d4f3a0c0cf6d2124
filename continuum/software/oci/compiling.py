"""Byte code for Python files in an image, so that containers need not compile them at every start."""

from __future__ import annotations

from pathlib import Path

from continuum.software.packages import bytecode
from continuum.software.packages.interpreter import Interpreter


def compile_tree(tree: Path, place: str, interpreter: Interpreter) -> bool:
    """Compile a folder of Python files, if this host has byte code for that interpreter; says whether.

    Args:
        tree: the folder, whose files are compiled where they are.
        place: the path it will have in the image.
        interpreter: what will run the files.
    """
    python = bytecode.compiler(interpreter)
    return python is not None and bytecode.compile_tree(tree, python, place)
