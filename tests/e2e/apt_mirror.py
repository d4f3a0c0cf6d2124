"""A mirror of a Debian archive, with packages made on the spot and a signing key of its own."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import tempfile
from datetime import datetime, timezone
from pathlib import Path

_TOOLS = {"gpg": "gpg", "gpg-agent": "gpg-agent", "dpkg-scanpackages": "dpkg-dev"}
_LACKING = sorted(package for tool, package in _TOOLS.items() if not shutil.which(tool))

WHY_NOT = f"{', '.join(_LACKING)} missing; run: sudo apt-get install {' '.join(_LACKING)}" if _LACKING else ""
SIGNER = "mirror@example.org"


def make(folder: Path, codename: str) -> Path:
    """Index and sign the packages in ``folder/pool``; returns the file with the public key."""
    index = folder / "dists" / codename / "main" / "binary-all" / "Packages"
    index.parent.mkdir(parents=True)
    listed = _run(["dpkg-scanpackages", "--arch", "all", "pool"], folder)
    index.write_bytes(listed)
    release = folder / "dists" / codename / "Release"
    path = index.relative_to(release.parent)
    release.write_text(
        f"Codename: {codename}\nSuite: {codename}\nComponents: main\nArchitectures: all\n"
        f"Date: {datetime.now(timezone.utc):%a, %d %b %Y %H:%M:%S} UTC\n"
        f"SHA256:\n {hashlib.sha256(listed).hexdigest()} {len(listed)} {path}\n"
    )
    return _sign(release, folder / "key.asc")


def _sign(release: Path, public: Path) -> Path:
    # The agent's socket has a path of limited length.
    with tempfile.TemporaryDirectory(prefix="gpg-", dir="/tmp") as home:
        gpg = [
            "gpg",
            "--homedir",
            home,
            "--batch",
            "--quiet",
            "--pinentry-mode",
            "loopback",
            "--passphrase",
            "",
        ]
        _run([*gpg, "--quick-generate-key", SIGNER, "ed25519", "sign"], release.parent)
        _run([*gpg, "--clearsign", "--output", "InRelease", release.name], release.parent)
        public.write_bytes(_run([*gpg, "--armor", "--export", SIGNER], release.parent))
        subprocess.run(["gpgconf", "--homedir", home, "--kill", "all"], check=False, timeout=30)
    return public


def _run(command: list[str], folder: Path) -> bytes:
    return subprocess.run(command, cwd=folder, capture_output=True, check=True, timeout=60).stdout
