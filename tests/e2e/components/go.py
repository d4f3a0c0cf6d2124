"""Builds programs with the ordinary Go client."""

from __future__ import annotations

import hashlib
import os
import platform
import re
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from tests.e2e.components.catalogue import SOURCES, Program, version_of

OLDEST = (1, 24)
"""The oldest Go that builds everything here."""

BUILD_TIMEOUT_S = 5400
"""A cold build of Kubernetes takes about seven minutes on two idle cores."""

QUERY_TIMEOUT_S = 300
_KILL_AFTER_S = 10
_PLACES = ("/usr/local/go/bin/go", "/usr/lib/go/bin/go")
_HOW = (
    f"unpack the archive of Go {OLDEST[0]}.{OLDEST[1]} or newer from https://go.dev/dl/ in /usr/local, or "
    "apt-get install golang-go where that is new enough"
)
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
WORKSPACE = SOURCES / "go.work"
"""Modules that are built with the same versions of what they have in common, which so compiles once."""

QUICK = "CONTINUUM_QUICK_BUILD"
"""Variable that, when set, asks for programs without inlining: a quarter less to compile, slower to run."""

_SHARED_TAGS = ("netgo", "osusergo", "notest", "grpcnotrace")
"""The same for all programs: a package compiles anew for each set of files that its tags choose."""

_STATIC_TAGS = ("sqlite_omit_load_extension",)
"""Keeps a C program from loading libraries while it runs, which a linked one cannot."""

_FLAGS = ("-trimpath", "-buildvcs=false", "-mod=readonly")


class ComponentError(Exception):
    """A component that cannot be built; the message says what to do."""


class LackError(ComponentError):
    """This machine lacks what building needs, such as Go."""


@dataclass(frozen=True)
class Go:
    """The Go client of this machine.

    Attributes:
        path: the program.
        version: what it calls itself, as in ``go1.26.8``.
    """

    path: str
    version: str


def architecture() -> str:
    """What programs are built for, as Go and release files name it: this machine."""
    return _ARCHITECTURES.get(platform.machine(), platform.machine())


@cache
def find() -> Go:
    """The Go client.

    Raises:
        ComponentError: there is none, or it is too old.
    """
    path = shutil.which("go") or next((place for place in _PLACES if Path(place).exists()), "")
    if not path:
        raise LackError(f"no Go here, with which components are built: {_HOW}")
    answer = _run(Go(path, ""), ["env", "GOVERSION"], Path("/"), QUERY_TIMEOUT_S, "go env").strip()
    found = re.match(r"go(\d+)\.(\d+)", answer)
    if not found or (int(found[1]), int(found[2])) < OLDEST:
        raise LackError(f"{path} is {answer or 'of no known version'}, too old: {_HOW}")
    return Go(path, answer)


def key(program: Program) -> str:
    """A hash of everything that a build depends on."""
    digest = hashlib.sha256(f"{find().version} {architecture()} {_arguments(program)}".encode())
    sources = [*sorted(program.folder.glob("*.go")), *sorted(program.folder.glob("_additions/**/*.go"))]
    for path in (*_pins(program), *sources):
        digest.update(path.name.encode() + (path.read_bytes() if path.exists() else b""))
    return digest.hexdigest()


def _pins(program: Program) -> list[Path]:
    """The files that say which versions a program is made of."""
    folders = [program.folder]
    if in_workspace(program):
        folders = [SOURCES / name for name in sorted(workspace())]
    shared = [WORKSPACE, WORKSPACE.with_name("go.work.sum")] if in_workspace(program) else []
    return [*shared, *(folder / name for folder in folders for name in ("go.mod", "go.sum"))]


def in_workspace(program: Program) -> bool:
    """Whether a program shares its versions with others."""
    return program.module in workspace()


@cache
def workspace() -> frozenset[str]:
    """The modules that share their versions."""
    return frozenset(re.findall(r"^\t\./(\S+)$", WORKSPACE.read_text(encoding="utf-8"), re.MULTILINE))


def build(program: Program, to: Path) -> None:
    """Build a program.

    Args:
        program: what to build.
        to: the file to write.

    Raises:
        ComponentError: Go could not; with the end of what it said.
        LackError: there is no C compiler and it needs one.
    """
    if program.cgo and not shutil.which("gcc"):
        raise LackError(f"{program.package} is partly C, and there is no gcc: apt-get install gcc libc6-dev")
    what = f"{program.module}: go build {program.package}"
    with tempfile.TemporaryDirectory() as temporary:
        extended = [_extend(program, Path(temporary))] if program.extended else []
        arguments = ["build", *_arguments(program), *extended, "-o", str(to), program.package]
        work = WORKSPACE if in_workspace(program) else None
        _run(find(), arguments, program.folder, BUILD_TIMEOUT_S, what, cgo=program.cgo, work=work)


def refresh_workspace(programs: Iterable[Program]) -> None:
    """Write the checksums of what the workspace's programs have in common anew.

    Raises:
        ComponentError: Go could not.
    """
    for program in filter(in_workspace, programs):
        what = f"{program.module}: go list in {WORKSPACE}"
        arguments = ["list", "-deps", program.package]
        _run(find(), arguments, program.folder, BUILD_TIMEOUT_S, what, work=WORKSPACE)


def refresh(module: Path) -> None:
    """Write a module's go.mod and go.sum anew, from what its sources import.

    Raises:
        ComponentError: Go could not.
    """
    _run(find(), ["mod", "tidy"], module, BUILD_TIMEOUT_S, f"{module.name}: go mod tidy", flags="-mod=mod")


def _extend(program: Program, folder: Path) -> str:
    """Copy a module and add what it lacks; the argument with which Go takes the copy."""
    module, what = program.extended, f"{program.module}: {program.extended}"
    _run(find(), ["mod", "download", module], program.folder, BUILD_TIMEOUT_S, what)
    asked = ["list", "-m", "-f", "{{.Dir}}", module]
    published = _run(find(), asked, program.folder, QUERY_TIMEOUT_S, what).strip()
    copy = folder / "module"
    subprocess.run(["cp", "-r", "--no-preserve=mode", published, copy], check=True, timeout=QUERY_TIMEOUT_S)
    shutil.copytree(program.folder / "_additions", copy, dirs_exist_ok=True)
    pinned = (program.folder / "go.mod").read_text(encoding="utf-8")
    ours = re.sub(rf"{re.escape(module)} => .*", f"{module} => {copy}", pinned)
    (folder / "go.mod").write_text(ours, encoding="utf-8")
    shutil.copy(program.folder / "go.sum", folder)
    return f"-modfile={folder / 'go.mod'}"


def _arguments(program: Program) -> list[str]:
    version = version_of(program)
    major, minor, *_ = (*version.lstrip("v").split("."), "")
    values = [
        "-X " + one.format(version=version, plain=version.lstrip("v"), major=major, minor=minor)
        for one in program.stamp
    ]
    tags = _SHARED_TAGS + (_STATIC_TAGS if program.cgo else ())
    compiled = "-gcflags=all=-dwarf=false" + (" -l" if os.environ.get(QUICK) else "")
    linked = ("-linkmode=external", "-extldflags=-static") if program.cgo else ()
    return [
        *_FLAGS,
        compiled,
        f"-tags={','.join(tags)}",
        "-ldflags=" + " ".join(["-s", "-w", *linked, *values]),
    ]


def _run(
    go: Go,
    arguments: Sequence[str],
    folder: Path,
    timeout_s: float,
    what: str,
    *,
    flags: str = "",
    cgo: bool = False,
    work: Path | None = None,
) -> str:
    """Run Go, which starts compilers of its own; all of them end with it."""
    settings = {"CGO_ENABLED": str(int(cgo)), "GOTOOLCHAIN": "local", "GOFLAGS": flags}
    settings["GOWORK"] = str(work or "off")
    process = subprocess.Popen(
        [go.path, *arguments],
        cwd=folder,
        env={**os.environ, **settings},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    _pass_niceness_on(process)
    try:
        out, errors = process.communicate(timeout=timeout_s)
    except subprocess.TimeoutExpired:
        _end(process)
        raise ComponentError(f"{what}: not done within {timeout_s:.0f} s") from None
    except BaseException:
        _end(process)
        raise
    if process.returncode:
        tail = "\n".join(f"  {line}" for line in errors.strip().splitlines()[-15:])
        raise ComponentError(f"{what} failed:\n{tail}")
    return out


def _pass_niceness_on(process: subprocess.Popen[str]) -> None:
    """A session is scheduled as one, and a new one is not nice, whatever its processes inherit.

    Compilers never go before others, even if this process does: tests run beside them.
    """
    with suppress(OSError):
        Path(f"/proc/{process.pid}/autogroup").write_text(str(max(5, os.nice(0))), encoding="ascii")


def _end(process: subprocess.Popen[str]) -> None:
    for kind in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, kind)
            process.communicate(timeout=_KILL_AFTER_S)
        except (ProcessLookupError, subprocess.TimeoutExpired):
            continue
