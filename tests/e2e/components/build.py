"""Builds what is missing, keeps it in the user's cache, and puts it into a folder of artifacts.

A result is kept under the hash of everything it was made from: sources, pinned modules, Go, Debian packages.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from continuum.host.files import sha256_of
from continuum.software.artifacts import Artifact
from continuum.software.artifacts import folder as artifact_folder
from continuum.software.packages.store import cache_folder
from tests.e2e.components import go, images
from tests.e2e.components.catalogue import COMPONENTS, GROUPS, PROGRAMS, Component, version_of
from tests.e2e.components.go import ComponentError

LOCK_TIMEOUT_S = 5400
_LOCK_POLL_S = 0.5
UNUSED_S = 2 * 24 * 3600
_RECIPE = "1"
"""Changes whenever images or archives are packed in another way."""

Say = Callable[[str], None]
"""Takes a line on what was done."""


def names(asked: Sequence[str]) -> tuple[str, ...]:
    """The artifacts that names and names of groups stand for; without any, those of a cluster.

    Raises:
        ComponentError: nothing is called that.
    """
    found: dict[str, None] = {}
    for name in asked or ("cluster",):
        if name not in COMPONENTS and name not in GROUPS:
            have = ", ".join((*GROUPS, *COMPONENTS))
            raise ComponentError(f"nothing is called {name}; there are {have}")
        found.update(dict.fromkeys(GROUPS.get(name, (name,))))
    return tuple(found)


def known(name: str) -> Artifact:
    """An artifact's description."""
    component = COMPONENTS[name]
    version = version_of(PROGRAMS[component.program])
    image = component.image.format(version=version, plain=version.lstrip("v"))
    tag = image.rpartition(":")[2] if image else version
    url = component.url.format(version=version)
    return Artifact(name, tag, component.kind, go.architecture(), url=url, image=image)


def provide(folder: Path, asked: Sequence[str] = (), *, say: Say = print) -> Path:
    """Put artifacts into a folder, with a manifest; what is not in the cache is built.

    Args:
        folder: made when needed; other artifacts in it stay.
        asked: names of artifacts or groups.
        say: takes a line for each result.

    Raises:
        ComponentError: something cannot be built; the message says what to do.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for name in names(asked):
        artifact = known(name)
        made = _component(name, COMPONENTS[name], say)
        target = folder / artifact.file
        _link(made, target)
        entry = artifact_folder.entry_of(artifact, target, _sum(made).read_text(encoding="ascii"))
        artifact_folder.write(folder, [entry])
    return folder


def _component(name: str, component: Component, say: Say) -> Path:
    programs = {program: _program(program, say) for program in component.programs()}
    if component.kind == "binary":
        return programs[component.program]
    packages = images.packages_of(component.packages)
    keys = [go.key(PROGRAMS[program]) for program in programs]
    key = _hash(_RECIPE, repr(component), known(name).image, packages, *keys)

    def make(to: Path) -> None:
        if component.kind == "archive":
            images.write_archive(component, programs, to)
        else:
            images.write_image(component, known(name).image, programs, packages, to)

    return _cached(name, known(name).version, key, make, say)


def _program(name: str, say: Say) -> Path:
    program = PROGRAMS[name]
    return _cached(
        f"program-{name}", version_of(program), go.key(program), lambda to: go.build(program, to), say
    )


def _cached(name: str, version: str, key: str, make: Callable[[Path], None], say: Say) -> Path:
    """A file of the cache; made unless it is there."""
    place = cache_folder() / "components" / name
    place.mkdir(parents=True, exist_ok=True)
    kept = place / key
    with _locked(place, name):
        if kept.exists() and _sum(kept).exists():
            _sum(kept).touch()
            return kept
        started = time.monotonic()
        unfinished = place / "unfinished"
        unfinished.unlink(missing_ok=True)
        make(unfinished)
        _sum(kept).write_text(sha256_of(unfinished), encoding="ascii")
        unfinished.replace(kept)
        _forget(place)
    size_mb = kept.stat().st_size / 1e6
    say(f"{name:32} {version:16} {time.monotonic() - started:7.1f} s {size_mb:7.1f} MB")
    return kept


def _forget(place: Path) -> None:
    """Remove what nobody has asked for lately; another checkout may use something else."""
    for note in place.glob("*.sha256"):
        if time.time() - note.stat().st_mtime > UNUSED_S:
            note.with_suffix("").unlink(missing_ok=True)
            note.unlink()


def _sum(kept: Path) -> Path:
    """Where the checksum of a file of the cache is."""
    return kept.with_suffix(".sha256")


@contextmanager
def _locked(place: Path, name: str) -> Iterator[None]:
    """While one process makes something, others wait for it instead of making it too."""
    deadline = time.monotonic() + LOCK_TIMEOUT_S
    with (place / "lock").open("w") as file:
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    what = f"{name} is being built by another process for {LOCK_TIMEOUT_S} s"
                    raise ComponentError(f"{what}; it holds {place / 'lock'}") from None
                time.sleep(_LOCK_POLL_S)
        yield


def _link(source: Path, target: Path) -> None:
    """The same file under another name, or a copy where that cannot be; never half of it."""
    unfinished = target.with_name(f".{target.name}.{os.getpid()}")
    unfinished.unlink(missing_ok=True)
    try:
        os.link(source, unfinished)
    except OSError:
        shutil.copy2(source, unfinished)
    unfinished.replace(target)
    # replace() does nothing when both are the same file already.
    unfinished.unlink(missing_ok=True)


def _hash(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()
