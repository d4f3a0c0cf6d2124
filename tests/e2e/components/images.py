"""Packs programs into images that are otherwise empty, and into archives."""

from __future__ import annotations

import gzip
import os
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path

from continuum.software import oci
from tests.e2e import debs
from tests.e2e.components.catalogue import Component
from tests.e2e.components.go import ComponentError, LackError, architecture

UNPACK_TIMEOUT_S = 300
QUERY_TIMEOUT_S = 300
_UNUSED = ("usr/share/doc", "usr/share/man", "usr/share/locale", "usr/share/lintian", "usr/lib/*/gconv")
_CHOSEN = {
    "iptables": "xtables-nft-multi",
    "iptables-save": "xtables-nft-multi",
    "iptables-restore": "xtables-nft-multi",
    "ip6tables": "xtables-nft-multi",
    "ip6tables-save": "xtables-nft-multi",
    "ip6tables-restore": "xtables-nft-multi",
}
"""What Debian's alternatives would point to on a node."""


def write_image(
    component: Component, reference: str, programs: Mapping[str, Path], packages: str, to: Path
) -> None:
    """Write the archive of an image.

    Args:
        component: the image.
        reference: its full name.
        programs: where the programs in it are.
        packages: what ``packages_of`` said.
        to: the archive.

    Raises:
        ComponentError: the packages are unavailable.
    """
    with tempfile.TemporaryDirectory(dir=to.parent) as temporary:
        folder = Path(temporary)
        layers = [oci.from_files({"/": _tree(component, programs, folder / "tree")}, folder / "layers")]
        if component.packages:
            _unpack(packages, folder / "packages")
            layers.append(oci.from_files({"/": folder / "packages"}, folder / "layers"))
        config = oci.ImageConfig(
            entrypoint=component.entrypoint,
            environment={"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"},
            architecture=architecture(),
        )
        oci.write(to, reference, layers, config)


def write_archive(component: Component, programs: Mapping[str, Path], to: Path) -> None:
    """Write a compressed archive of programs; the same programs make the same bytes."""
    with (
        to.open("wb") as file,
        gzip.GzipFile("", "wb", compresslevel=1, fileobj=file, mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w") as archive,
    ):
        for name, program in sorted(component.files.items()):
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = programs[program].stat().st_size, 0o755
            with programs[program].open("rb") as content:
                archive.addfile(entry, content)


@cache
def packages_of(names: tuple[str, ...]) -> str:
    """Debian packages and all they depend on: their files' names, which say the version, one a line.

    Raises:
        LackError: this host cannot fetch Debian packages.
        ComponentError: it has no list of them.
    """
    if not names:
        return ""
    if debs.WHY_NOT:
        raise LackError(f"{', '.join(names)} of Debian go into images, but {debs.WHY_NOT}")
    command = ["apt-get", "download", "--print-uris", *debs.dependencies(*names)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=QUERY_TIMEOUT_S)
    files = [line.split()[1] for line in done.stdout.splitlines() if line.startswith("'")]
    if done.returncode or not files:
        what = done.stderr.strip()[-200:] or "apt-get names none of them; apt-get update"
        raise ComponentError(f"{', '.join(names)} cannot be downloaded: {what}")
    return "\n".join(sorted(files))


def _unpack(packages: str, to: Path) -> None:
    """Unpack packages by the names of their files, without what only people need."""
    to.mkdir()
    with tempfile.TemporaryDirectory(dir=to.parent) as temporary:
        names = [file.split("_")[0] for file in packages.splitlines()]
        if lack := debs.fetch(Path(temporary), names):
            raise ComponentError(lack)
        for package in sorted(Path(temporary).glob("*.deb")):
            command = ["dpkg-deb", "--extract", str(package), str(to)]
            subprocess.run(command, check=True, capture_output=True, timeout=UNPACK_TIMEOUT_S)
    for path in _matching(to, _UNUSED):
        shutil.rmtree(path)
    for name, program in _CHOSEN.items():
        link = to / "usr" / "sbin" / name
        if (link.parent / program).exists() and not link.exists():
            link.symlink_to(program)


def _matching(folder: Path, patterns: Sequence[str]) -> Iterator[Path]:
    for pattern in patterns:
        yield from list(folder.glob(pattern))


def _tree(component: Component, programs: Mapping[str, Path], folder: Path) -> Path:
    """The programs where the image has them, with their links."""
    for path, program in component.files.items():
        target = folder / path.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        os.link(programs[program], target)
    for path, goal in component.links.items():
        target = folder / path.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.symlink_to(goal)
    for path, text in component.texts.items():
        target = folder / path.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")
    return folder
