"""Debian packages made on the spot, for nodes without internet."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

TIMEOUT_S = 300
"""For one command; other work on the machine may make it many times slower than it is."""

WHY_NOT = (
    ""
    if shutil.which("dpkg-deb") and shutil.which("apt-get")
    else "this host is not a Debian: no dpkg-deb, apt-get"
)


def make(
    folder: Path, name: str, files: Mapping[str, Path | str], *, depends: str = "", postinst: str = ""
) -> Path:
    """A package of these files, by their path on the node; texts become programs."""
    tree = folder / f"{name}.tree"
    (tree / "DEBIAN").mkdir(parents=True)
    control = [
        f"Package: {name}",
        "Version: 99",
        "Architecture: all",
        "Maintainer: nobody <nobody@example.org>",
    ]
    control += [f"Depends: {depends}"] if depends else []
    (tree / "DEBIAN" / "control").write_text("\n".join([*control, "Description: for a test", ""]))
    if postinst:
        (tree / "DEBIAN" / "postinst").write_text(f"#!/bin/sh\n{postinst}\n")
        (tree / "DEBIAN" / "postinst").chmod(0o755)
    for path, content in files.items():
        target = tree / path.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, Path):
            shutil.copy(content, target)
        else:
            target.write_text(content)
        target.chmod(0o755)
    made = folder / f"{name}_99_all.deb"
    command = ["dpkg-deb", "--root-owner-group", "--build", str(tree), str(made)]
    subprocess.run(command, check=True, capture_output=True, timeout=TIMEOUT_S)
    shutil.rmtree(tree)
    return made


def dependencies(*packages: str) -> tuple[str, ...]:
    """Packages of this host's archive and all they depend on, by name; empty if there are none."""
    options = [
        f"--no-{kind}" for kind in ("recommends", "suggests", "conflicts", "breaks", "replaces", "enhances")
    ]
    tree = ["apt-cache", "depends", "--recurse", *options, *packages]
    found = subprocess.run(tree, capture_output=True, text=True, check=False, timeout=TIMEOUT_S)
    return tuple(line for line in found.stdout.splitlines() if line[:1].isalnum())


def fetch(folder: Path, names: Sequence[str]) -> str:
    """Download packages by name; returns why they are unavailable, if so."""
    command = ["apt-get", "download", "-o", "APT::Sandbox::User=root", *names]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=TIMEOUT_S)
    return f"{', '.join(names)} cannot be downloaded: {done.stderr.strip()[-200:]}" if done.returncode else ""


def download(folder: Path, package: str) -> str:
    """A package of this host's archive and all it depends on; returns why it is unavailable, if so."""
    folder.mkdir(parents=True, exist_ok=True)
    names = dependencies(package)
    if not names:
        return f"this host's package lists have no {package} (apt-get update)"
    return fetch(folder, names)
