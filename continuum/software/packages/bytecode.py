"""Compiles libraries on this host instead of on every node: it is most of the time of a first import."""

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
"""The libraries' own tests, a third of their files, which no workload imports."""


def tag(interpreter: Interpreter) -> str:
    """The version of bytecode that an interpreter reads, usable in file names."""
    return f"{interpreter.implementation}{interpreter.short_version.replace('.', '')}"


def compiler(interpreter: Interpreter) -> Path | None:
    """A Python of this host that compiles bytecode for an interpreter; None if there is none.

    CPython's bytecode depends on its minor version only, not on the machine.
    """
    if interpreter.implementation != "cpython":
        return None
    if sys.implementation.name == "cpython" and sys.version_info[:2] == interpreter.version[:2]:
        return Path(sys.executable)
    return _installed(interpreter.short_version)


@cache
def _installed(version: str) -> Path | None:
    """The CPython of this version that uv finds on this host, without downloading one."""
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
    """Write the bytecode of every module beside it; returns False if that timed out.

    Python does not compare this bytecode with its source, whose modification time is lost in archives; the
    files of a package or an image never change. Files that cannot be compiled, such as templates, are
    skipped.

    Args:
        tree: the folder to compile in place.
        python: the interpreter that compiles.
        place: the path of the folder where it will be used; empty if unknown.
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
