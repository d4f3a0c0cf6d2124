"""Talks to ``node_install`` on a node: what is lacking there, here it comes, make an environment of it."""

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
"""Where packages are on a node."""

TIMEOUT_S = 600.0
_CHUNK_BYTES = 1 << 20
_JOIN_TIMEOUT_S = 10.0


def missing(connection: Connection, python: str, names: Sequence[str]) -> list[str]:
    """Those of the archives that the node does not have."""
    found: list[str] = _ask(connection, python, ["missing", *names], [])
    return found


def send(connection: Connection, python: str, archives: Mapping[str, Path]) -> list[str]:
    """Send archives, which are unpacked as they come; returns the names of those that were not there yet."""
    words = [f"{name}:{path.stat().st_size}" for name, path in archives.items()]
    fresh: list[str] = _ask(connection, python, ["receive", *words], list(archives.values()))
    return fresh


def install(connection: Connection, python: str, manifest: Mapping[str, Any]) -> dict[str, Any]:
    """Make what the manifest says out of archives that are there."""
    answer: dict[str, Any] = _ask(connection, python, ["install", json.dumps(manifest)], [])
    return answer


def _ask(connection: Connection, python: str, words: Sequence[str], files: Sequence[Path]) -> Any:
    """What ``node_install`` answers; outside the node's limits, for it is not what is measured."""
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
        said = log.read_text(encoding="utf-8", errors="replace").strip()
    if status:
        tail = "\n".join(f"  {line}" for line in said.splitlines()[-8:])
        raise DeployError(f"{connection.node}: the package cannot be installed (status {status}):\n{tail}")
    return json.loads(said.splitlines()[-1])


def _feed(process: Process, files: Sequence[Path]) -> None:
    """Give the program what it reads; if it ends before, its status and last words say why."""
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
