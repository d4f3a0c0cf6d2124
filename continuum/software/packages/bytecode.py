"""Libraries compiled here, so that no node does it: it is most of what a first import takes."""

from __future__ import annotations

import os
import subprocess
import sys
from functools import cache
from pathlib import Path

from continuum.software.packages.interpreter import Interpreter
from continuum.software.packages.lock import find_uv

_FIND_TIMEOUT_S = 60
_COMPILE_TIMEOUT_S = 600
_TESTS = r"[/\\]tests?[/\\]"
"""What nobody imports: the libraries' own tests, a third of their files."""


def tag(interpreter: Interpreter) -> str:
    """Names the kind of bytecode an interpreter reads, and fit for a file's name."""
    return f"{interpreter.implementation}{interpreter.short_version.replace('.', '')}"


def compiler(interpreter: Interpreter) -> Path | None:
    """An interpreter of this host whose bytecode another one reads; None where there is none.

    CPython's bytecode is that of its minor version, on every machine.
    """
    if interpreter.implementation != "cpython":
        return None
    if sys.implementation.name == "cpython" and sys.version_info[:2] == interpreter.version[:2]:
        return Path(sys.executable)
    return _installed(interpreter.short_version)


@cache
def _installed(version: str) -> Path | None:
    """Where uv finds a CPython of this version; it does not fetch one."""
    argv = [str(find_uv()), "python", "find", "--no-config", "--no-project", f"cpython@{version}"]
    try:
        done = subprocess.run(
            argv,
            env={**os.environ, "UV_PYTHON_DOWNLOADS": "never", "UV_OFFLINE": "1"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_FIND_TIMEOUT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    found = Path(done.stdout.strip())
    return found if done.returncode == 0 and found.is_file() else None


def compile_tree(tree: Path, python: Path, place: str = "") -> bool:
    """Put the bytecode of every module beside it; says whether there was an end to it.

    It is never compared with its source, whose time is lost on the way: what is below a package's hash, or in
    an image, does not change. What cannot be compiled, such as templates, is left as it is.

    Args:
        tree: the folder, whose files are compiled where they are.
        python: what compiles them.
        place: the path it will have; empty where that is not known.
    """
    words = ("-m", "compileall", "-qq", "-j", "0", "--invalidation-mode", "unchecked-hash", "-x", _TESTS)
    argv = [str(python), "-I", *words, *(("-p", place) if place else ()), "."]
    try:
        subprocess.run(
            argv,
            cwd=tree,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_COMPILE_TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return False
    return True
