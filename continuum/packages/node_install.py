"""Runs on the node, under its own Python, with the standard library alone: installs what was copied.

    python3 -c SOURCE ROOT has NAME...       which of these parts are not there yet
    python3 -c SOURCE ROOT install MANIFEST  install, once, whoever else asks for it at the same time

Nothing is fetched: the libraries come from wheels below ROOT, each checked against its hash, and go into a
virtual environment of their own.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tarfile
import time
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

_CHUNK_BYTES = 1 << 20
_LAST_WORDS = 2000
_EXECUTABLE = 0o755


class Place:
    """Where packages are on this node.

    Args:
        root: the folder that holds them all.
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    def lacking(self, names: list[str]) -> list[str]:
        """Those parts of a package that were not copied yet."""
        return [name for name in names if not (self.root / name).exists()]

    def install(self, manifest: dict[str, Any]) -> dict[str, Any]:
        """Install what is not installed yet; one process at a time, the others find it done."""
        begin = time.monotonic()
        self.root.mkdir(parents=True, exist_ok=True)
        with (self.root / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            made, python = self._environment(manifest)
            unpacked, code = self._code(manifest["code"])
        seconds = time.monotonic() - begin
        return {"python": python, "code": str(code), "fresh": made or unpacked, "seconds": seconds}

    def _environment(self, manifest: dict[str, Any]) -> tuple[bool, str]:
        """Whether a virtual environment had to be made, and its interpreter."""
        if not manifest["environment"]:
            return False, sys.executable
        folder = self.root / "environments" / str(manifest["environment"])
        python, complete = folder / "bin" / "python", folder / "complete"
        if complete.exists():
            return False, str(python)
        shutil.rmtree(folder, ignore_errors=True)
        temporary = self.root / "temporary"  # on the same file system, so that files need not be copied
        temporary.mkdir(exist_ok=True)
        own = {"TMPDIR": str(temporary), "HOME": str(self.root), "UV_OFFLINE": "1", "UV_NO_CONFIG": "1"}
        with ThreadPoolExecutor() as pool:  # most of it is hashing, which runs beside
            checked = pool.map(self._wheel, manifest["wheels"])
            uv = [str(self._installer(manifest["installer"])), "--quiet", "--no-cache"]
            wheels = [str(wheel) for wheel in checked]
        _run([*uv, "venv", "--no-python-downloads", "--python", sys.executable, str(folder)], own)
        _run([*uv, "pip", "install", "--no-index", "--no-deps", "--python", str(python), *wheels], own)
        complete.touch()
        return True, str(python)

    def _code(self, code_id: str) -> tuple[bool, Path]:
        """Whether the workload's own code had to be unpacked, and the folder to import it from."""
        folder = self.root / "code" / code_id
        if folder.exists():
            return False, folder
        archive = _checked(self.root / "archives" / f"{code_id}.tar.gz", code_id)
        part = folder.with_suffix(".part")
        shutil.rmtree(part, ignore_errors=True)
        with tarfile.open(archive) as packed:
            packed.extractall(part)  # noqa: S202 - made by this project, and checked
        part.rename(folder)
        return True, folder

    def _wheel(self, wheel: dict[str, Any]) -> Path:
        return _checked(
            self.root / "wheels" / str(wheel["sha256"]) / str(wheel["name"]), str(wheel["sha256"])
        )

    def _installer(self, wheel: dict[str, Any]) -> Path:
        """The program that installs, out of its wheel."""
        target = self.root / "installer" / str(wheel["sha256"])
        if not target.exists():
            target.parent.mkdir(exist_ok=True)
            part = target.with_suffix(".part")
            with zipfile.ZipFile(self._wheel(wheel)) as archive:
                name = next(name for name in archive.namelist() if name.endswith("/scripts/uv"))
                with archive.open(name) as source, part.open("wb") as file:
                    shutil.copyfileobj(source, file)
            part.chmod(_EXECUTABLE)
            part.rename(target)
        return target


def _checked(path: Path, sha256: str) -> Path:
    """The path, if its content has this hash."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            digest.update(chunk)
    if digest.hexdigest() != sha256:
        sys.exit(f"{path}: its hash is not that of the manifest; remove it and start again")
    return path


def _run(command: list[str], environment: dict[str, str]) -> None:
    """Run a command; its last words are ours if it fails."""
    done = subprocess.run(
        command,
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
    )
    if done.returncode:
        sys.exit(done.stdout.decode("utf-8", "replace")[-_LAST_WORDS:])


def main(root: str, verb: str, *arguments: str) -> None:
    """Do what the command line says and print the answer as JSON."""
    place = Place(Path(root))
    if verb == "has":
        print(json.dumps(place.lacking(list(arguments))))
    else:
        print(json.dumps(place.install(json.loads(arguments[0]))))


if __name__ == "__main__":
    main(*sys.argv[1:])
