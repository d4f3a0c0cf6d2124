"""Calls ``node_install`` on a node: lists missing archives, sends archives, installs a package."""

from __future__ import annotations

import json
import tempfile
import threading
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path, PurePosixPath
from typing import Any

from continuum.connection import Connection
from continuum.connection.base import Process
from continuum.errors import ConnectionFailure, DeployError

ROOT = PurePosixPath("/var/lib/continuum/packages")
"""Folder of packages on a node."""

TIMEOUT_S = 600.0
_CHUNK_BYTES = 1 << 20
_JOIN_TIMEOUT_S = 10.0


def missing(connection: Connection, python: str, names: Sequence[str]) -> list[str]:
    """The archives that the node does not have."""
    found: list[str] = _ask(connection, python, ["missing", *names], [])
    return found


def send(connection: Connection, python: str, archives: Mapping[str, Path]) -> list[str]:
    """Send archives, which the node unpacks; returns the names of those that it did not have."""
    words = [f"{name}:{path.stat().st_size}" for name, path in archives.items()]
    added: list[str] = _ask(connection, python, ["receive", *words], list(archives.values()))
    return added


def install(connection: Connection, python: str, manifest: Mapping[str, Any]) -> dict[str, Any]:
    """Install a package from archives that the node already has; returns its interpreter and code folder."""
    answer: dict[str, Any] = _ask(connection, python, ["install", json.dumps(manifest)], [])
    return answer


def _ask(connection: Connection, python: str, words: Sequence[str], files: Sequence[Path]) -> Any:
    """The result of ``node_install``; not subject to the node's limits, since it is not measured."""
    argv = [python, "-I", "-c", _source(), str(ROOT), *words]
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "log"
        process = connection.start(argv, env={}, log=log, limits=None)
        feeding = threading.Thread(target=_feed, args=(process, files), daemon=True)
        try:
            feeding.start()
            status = process.wait(TIMEOUT_S)
        except BaseException:
            process.kill()
            raise
        feeding.join(_JOIN_TIMEOUT_S)
        output = log.read_text(encoding="utf-8", errors="replace").strip()
    if status:
        tail = "\n".join(f"  {line}" for line in output.splitlines()[-8:])
        raise DeployError(f"{connection.node}: the package cannot be installed (status {status}):\n{tail}")
    return json.loads(output.splitlines()[-1])


def _feed(process: Process, files: Sequence[Path]) -> None:
    """Write files to the program's standard input; if it ends early, its status and output tell why."""
    try:
        for path in files:
            with path.open("rb") as file:
                while chunk := file.read(_CHUNK_BYTES):
                    process.write(chunk)
    except ConnectionFailure:
        pass


@cache
def _source() -> str:
    return (Path(__file__).parent / "node_install.py").read_text(encoding="utf-8")
