"""The keys of a run: one that opens its guests, one by which they are known."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from continuum.errors import ProvisionError

USER, HOST, KNOWN = "id_ed25519", "host_ed25519", "known_hosts"


@dataclass(frozen=True)
class Keys:
    """The keys of a run, as files of its folder.

    Attributes:
        folder: holds them, mode 0700.
    """

    folder: Path

    @property
    def user(self) -> Path:
        """The private key that opens every guest of the run."""
        return self.folder / USER

    @property
    def known_hosts(self) -> Path:
        """The only host key a guest of the run may show."""
        return self.folder / KNOWN

    def text(self, name: str) -> str:
        """The content of one of the files; public keys without the line's end."""
        text = (self.folder / name).read_text(encoding="ascii")
        return text.strip() if name.endswith(".pub") else text


def make(folder: Path, run_id: str) -> Keys:
    """Make the keys of a run; ProvisionError when there is no ssh-keygen."""
    folder.mkdir(mode=0o700, exist_ok=True)
    if shutil.which("ssh-keygen") is None:
        raise ProvisionError("there is no ssh-keygen; run: sudo apt-get install openssh-client")
    for name in (USER, HOST):
        argv = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", f"continuum {run_id}"]
        done = subprocess.run(
            [*argv, "-f", str(folder / name)], capture_output=True, text=True, timeout=30, check=False
        )
        if done.returncode:
            raise ProvisionError(f"ssh-keygen: {done.stderr.strip()}")
    return Keys(folder)


def write_known_hosts(keys: Keys, places: Iterable[str]) -> None:
    """Say that the run's host key is the one of these hosts, each written as ssh does (``[host]:port``)."""
    public = " ".join(keys.text(f"{HOST}.pub").split()[:2])
    text = "".join(f"{place} {public}\n" for place in places)
    keys.known_hosts.write_text(text, encoding="ascii")
