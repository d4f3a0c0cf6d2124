"""Resolves requirements to exact versions with hashes, for any interpreter, with uv.

Versions that are installed on this host are preferred, so that nodes that share this host's Python and nodes
that do not run the same libraries.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
import tempfile
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path

from continuum.errors import DeployError
from continuum.host import run_command
from continuum.host.files import write_atomically
from continuum.software.packages.interpreter import Interpreter

RESOLVE_TIMEOUT_S = 300


def find_uv() -> Path:
    """The path of uv, beside this interpreter or on the PATH; DeployError says how to install it."""
    beside = Path(sys.executable).parent / "uv"
    found = str(beside) if beside.is_file() else shutil.which("uv")
    if not found:
        raise DeployError(
            "building packages for nodes requires uv, which is not installed; run: pip install uv"
            " (or install Continuum with the extra `packages`)"
        )
    return Path(found)


def resolve(requirements: Sequence[str], interpreter: Interpreter, cache: Path) -> str:
    """The lock, with a line ``name==version --hash=...`` for each package; cached in ``cache``.

    Raises:
        DeployError: no set of versions satisfies the requirements, or no package index is reachable.
    """
    if not requirements:
        return ""
    path = _path(requirements, interpreter.key, cache)
    if path.is_file():
        return path.read_text(encoding="utf-8")
    lock = _compile(_wanted(requirements), _preferred(), interpreter)
    remember(lock, requirements, interpreter.key, cache)
    return lock


def remember(lock: str, requirements: Sequence[str], interpreter_key: str, cache: Path) -> None:
    """Let ``resolve`` return this lock from now on, without a package index."""
    path = _path(requirements, interpreter_key, cache)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, lock)


def _wanted(requirements: Sequence[str]) -> str:
    return "\n".join(sorted(set(requirements))) + "\n"


def _path(requirements: Sequence[str], interpreter_key: str, cache: Path) -> Path:
    key = f"{interpreter_key}\n{_wanted(requirements)}\n{_preferred()}"
    return cache / "locks" / f"{hashlib.sha256(key.encode()).hexdigest()}.txt"


def compile_command(uv: Path, interpreter: Interpreter, requirements: Path, output: Path) -> list[str]:
    """The command that resolves requirements; uv prefers the versions that ``output`` already contains."""
    return [
        *(str(uv), "pip", "compile", "--quiet", "--no-header", "--no-annotate"),
        *("--generate-hashes", "--only-binary=:all:"),
        *("--python-version", interpreter.short_version, "--python-platform", interpreter.uv_platform()),
        *("--output-file", str(output), str(requirements)),
    ]


def environment(inherited: Mapping[str, str]) -> dict[str, str]:
    """The environment for uv, with the package index and certificate that pip is configured with."""
    own = dict(inherited)
    if "PIP_INDEX_URL" in own and not {"UV_DEFAULT_INDEX", "UV_INDEX_URL"} & own.keys():
        own["UV_DEFAULT_INDEX"] = own["PIP_INDEX_URL"]
    if "PIP_CERT" in own:
        own.setdefault("SSL_CERT_FILE", own["PIP_CERT"])
    return own


def _compile(wanted: str, preferred: str, interpreter: Interpreter) -> str:
    with tempfile.TemporaryDirectory() as folder:
        source, output = Path(folder, "requirements.in"), Path(folder, "lock.txt")
        source.write_text(wanted, encoding="utf-8")
        output.write_text(preferred, encoding="utf-8")
        run_command.run(
            compile_command(find_uv(), interpreter, source, output),
            f"requirements cannot be resolved for {interpreter}",
            DeployError,
            timeout_s=RESOLVE_TIMEOUT_S,
            env=environment(os.environ),
        )
        return output.read_text(encoding="utf-8")


def _preferred() -> str:
    """The versions installed on this host, as requirements."""
    installed = {
        one.metadata["Name"]: one.version for one in metadata.distributions() if one.metadata["Name"]
    }
    return "".join(f"{name}=={version}\n" for name, version in sorted(installed.items()))
