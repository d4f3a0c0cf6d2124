"""An ordinary user for tests, and a libvirt daemon of that user's own.

The account is a line more in ``/etc/passwd`` as a mount namespace sees it; the host's file is never touched.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks import libvirtd
from tests.e2e import program

USER_ID, GROUP_ID = 54321, 65534
NAME = "continuum-test"

_ENTER = """\
mount --make-rprivate /
mount --bind "{folder}/passwd" /etc/passwd || exit
{opened}
cd "{folder}/home"
exec setpriv --reuid {id} --regid {group} --clear-groups env -i PATH="$PATH:/usr/sbin:/sbin" LANG=C.UTF-8 \\
    HOME="$PWD" USER={name} XDG_RUNTIME_DIR="$PWD/run" PYTHONDONTWRITEBYTECODE=1 "$@"
"""
_START = 'exec sh "$1/enter" libvirtd -p "$1/home/libvirtd.pid"'


@dataclass(frozen=True)
class Account:
    """An ordinary user.

    Attributes:
        folder: everything of the user's is below it.
    """

    folder: Path

    @property
    def home(self) -> Path:
        return self.folder / "home"

    @property
    def uri(self) -> str:
        """The user's own daemon, for others who may ask it."""
        return f"qemu:///session?socket={self.home}/run/libvirt/libvirt-sock"

    def run(self, *argv: object, timeout: float) -> subprocess.CompletedProcess[str]:
        """Run a command of the user's to its end, begun in the home folder."""
        enter = ["unshare", "--mount", "sh", f"{self.folder}/enter"]
        return subprocess.run(
            [*enter, *map(str, argv)], capture_output=True, text=True, timeout=timeout, check=False
        )


@contextlib.contextmanager
def user(*readable: Path) -> Iterator[Account]:
    """A user until the end, in a folder that others can reach, who can read Python, the project and more.

    Args:
        readable: folders that may be in others that are closed.
    """
    folder = Path(tempfile.mkdtemp(prefix="continuum-user-", dir="/tmp"))
    try:
        folder.chmod(0o755)
        made = Account(folder)
        for path in (made.home, made.home / "run"):
            path.mkdir(mode=0o755)
            os.chown(path, USER_ID, GROUP_ID)
        line = f"{NAME}:x:{USER_ID}:{GROUP_ID}::{made.home}:/bin/sh\n"
        (folder / "passwd").write_text(Path("/etc/passwd").read_text() + line)
        opened = _opened(folder, [Path(sys.base_prefix), Path(sys.prefix), program.CHECKOUT, *readable])
        script = _ENTER.format(folder=folder, opened=opened, id=USER_ID, group=GROUP_ID, name=NAME)
        (folder / "enter").write_text(script)
        yield made
    finally:
        shutil.rmtree(folder)


def _opened(folder: Path, paths: Sequence[Path]) -> str:
    """Shell text that makes folders readable that are in closed ones, in a mount namespace alone."""
    closed: dict[Path, list[Path]] = {}
    for path in dict.fromkeys(path.resolve() for path in paths):
        for parent in reversed(path.parents):
            if not parent.stat().st_mode & stat.S_IXOTH:
                closed.setdefault(parent, []).append(path)
                break
    lines, kept = [], {}
    for path in (path for inside in closed.values() for path in inside):
        kept[path] = folder / f"kept{len(kept)}"
        kept[path].mkdir()
        lines.append(f"mount --bind {path} {kept[path]} || exit")
    for parent, inside in closed.items():
        lines.append(f"mount -t tmpfs -o mode=755 tmpfs {parent} || exit")
        lines += [
            f"mkdir -p {path} && mount --bind {kept[path]} {path} || exit"
            for path in sorted(inside, key=lambda path: len(path.parts))
        ]
    return "\n".join(lines)


def lacking(account: Account) -> str:
    """Why the program cannot be run by the user; empty when it can."""
    done = account.run(*program.command("modules"), timeout=60)
    return (
        "" if done.returncode == 0 else f"the checkout is closed to other users: {done.stderr.strip()[-300:]}"
    )


@contextlib.contextmanager
def daemon(account: Account) -> Iterator[None]:
    """The user's own libvirt daemon until the end."""
    settings = account.home / ".config" / "libvirt"
    settings.mkdir(parents=True)
    (settings / "qemu.conf").write_text('stdio_handler = "file"\n')  # else virtlogd is left
    _give(account.home / ".config")
    with libvirtd.supervised(account.folder, _START, account.home / "run" / "libvirt" / "libvirt-sock"):
        yield


def _give(*folders: Path) -> None:
    for folder in folders:
        for path in (folder, *folder.rglob("*")):
            os.chown(path, USER_ID, GROUP_ID)


def names(lines: Sequence[str]) -> list[str]:
    """Those that are runs' things of the user's."""
    return [line for line in lines if line.startswith(f"continuum-{USER_ID}-")]
