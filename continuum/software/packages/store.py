"""The wheels in this user's cache, each stored under the hash of its content.

A wheel is downloaded once, verified by pip against its hash, and never changes. Its hash is verified again
whenever it is used.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from continuum.errors import DeployError
from continuum.host import run_command
from continuum.host.files import sha256_of, write_json
from continuum.software.packages.interpreter import Interpreter

DOWNLOAD_TIMEOUT_S = 900
_CHUNK_BYTES = 1 << 20


@dataclass(frozen=True)
class Wheel:
    """A wheel in the store.

    Attributes:
        name: its file name, with the tags of its platform.
        sha256: hash of its content, in hexadecimal.
        size_bytes: its size.
    """

    name: str
    sha256: str
    size_bytes: int


def cache_folder() -> Path:
    """The folder of this user's cache (``$XDG_CACHE_HOME/continuum``)."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "continuum"


class Store:
    """The wheels below one folder.

    Args:
        folder: the folder; created when needed.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def path(self, wheel: Wheel) -> Path:
        """The path of a wheel."""
        return self.folder / wheel.sha256 / wheel.name

    def verified(self, wheel: Wheel) -> Path:
        """The path of a wheel whose content has the hash that it is stored under.

        Raises:
            DeployError: it has changed or is gone; the message names the file, both hashes and the remedy.
        """
        path = self.path(wheel)
        try:
            found = sha256_of(path)
        except OSError as error:
            raise DeployError(f"{path}: {error.strerror}; run again to download it") from error
        if found != wheel.sha256:
            raise DeployError(
                f"{path}: its sha256 is {found}, but {wheel.sha256} was downloaded;"
                f" delete {path.parent}, and it is downloaded again"
            )
        return path

    def has(self, wheel: Wheel) -> bool:
        """Whether the store contains a wheel with the expected size."""
        try:
            return self.path(wheel).stat().st_size == wheel.size_bytes
        except OSError:
            return False

    def add(self, source: Path) -> Wheel:
        """Move a file into the store."""
        wheel = Wheel(source.name, sha256_of(source), source.stat().st_size)
        target = self.path(wheel)
        target.parent.mkdir(parents=True, exist_ok=True)
        source.replace(target)
        return wheel

    def wheels(self, lock: str, interpreter: Interpreter) -> tuple[Wheel, ...]:
        """The wheels of a lock for an interpreter; downloads them unless the store contains all of them.

        Raises:
            DeployError: a wheel cannot be downloaded.
        """
        if not lock.strip():
            return ()
        index = self._index(lock, interpreter.key)
        known = _read_index(index)
        if known and all(self.has(wheel) and f"sha256:{wheel.sha256}" in lock for wheel in known):
            return known
        self.folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=self.folder) as temporary:
            _download(lock, interpreter, Path(temporary))
            found = tuple(self.add(path) for path in sorted(Path(temporary).glob("*.whl")))
        _write_index(index, found)
        return found

    def remember(self, lock: str, interpreter_key: str, wheels: Iterable[Wheel]) -> None:
        """Let ``wheels`` return these from now on, as long as the store contains them."""
        _write_index(self._index(lock, interpreter_key), wheels)

    def _index(self, lock: str, interpreter_key: str) -> Path:
        return self.folder / "sets" / f"{hashlib.sha256((lock + interpreter_key).encode()).hexdigest()}.json"


def download_command(interpreter: Interpreter, lock: Path, to: Path) -> list[str]:
    """The command that downloads the wheels of a lock for any interpreter."""
    tag = f"cp{interpreter.version[0]}{interpreter.version[1]}"
    platforms = [f"--platform={name}" for name in interpreter.platforms()]
    return [
        *(sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"),
        *("--no-deps", "--require-hashes", "--only-binary=:all:"),
        *("--implementation=cp", f"--python-version={interpreter.short_version}"),
        *(f"--abi={tag}", "--abi=abi3", "--abi=none", *platforms),
        *("--requirement", str(lock), "--dest", str(to)),
    ]


def _download(lock: str, interpreter: Interpreter, to: Path) -> None:
    names = to / "lock.txt"
    names.write_text(lock, encoding="utf-8")
    command = download_command(interpreter, names, to)
    failure = f"wheels for {interpreter} cannot be downloaded"
    run_command.run(command, failure, DeployError, timeout_s=DOWNLOAD_TIMEOUT_S)


def _read_index(path: Path) -> tuple[Wheel, ...]:
    try:
        return tuple(Wheel(**one) for one in json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return ()


def _write_index(path: Path, wheels: Iterable[Wheel]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_json(path, [vars(wheel) for wheel in wheels])
