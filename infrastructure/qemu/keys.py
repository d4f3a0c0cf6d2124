"""The ssh keys of a run: one to log in to its guests, and their host key."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from continuum.connection.ssh import hosts

USER, HOST, KNOWN = "id_ed25519", "host_ed25519", "known_hosts"


@dataclass(frozen=True)
class Keys:
    """The keys of a run, as files of its folder.

    Attributes:
        folder: their folder, mode 0700.
    """

    folder: Path

    @property
    def user(self) -> Path:
        """The private key that every guest of the run accepts."""
        return self.folder / USER

    @property
    def known_hosts(self) -> Path:
        """The file with the host key of the run's guests."""
        return self.folder / KNOWN

    def text(self, name: str) -> str:
        """Content of one of the files; public keys without a line break."""
        text = (self.folder / name).read_text(encoding="ascii")
        return text.strip() if name.endswith(".pub") else text


def make(folder: Path, run_id: str) -> Keys:
    """Create the keys of a run; HostError if ssh-keygen is missing."""
    folder.mkdir(mode=0o700, exist_ok=True)
    for name in (USER, HOST):
        hosts.make_key(folder / name, f"continuum {run_id}")
    return Keys(folder)


def write_known_hosts(keys: Keys, places: Iterable[str]) -> None:
    """Write ``known_hosts``: all these hosts, each as ``[host]:port``, have the run's host key."""
    public = " ".join(keys.text(f"{HOST}.pub").split()[:2])
    text = "".join(f"{place} {public}\n" for place in places)
    keys.known_hosts.write_text(text, encoding="ascii")
