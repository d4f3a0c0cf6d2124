"""Where on this host control groups can be made: looked at by trying."""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from continuum.host import mounts
from continuum.host.cgroup.plan import PREFIX, Layout

ALL = ("cpu", "cpuacct", "cpuset", "memory", "blkio")
_V2_NAMES = {"blkio": "io", "cpuacct": "cpu"}
_SEARCH_DEPTH = 8


@dataclass(frozen=True)
class Hierarchy:
    """A mounted tree of groups.

    Attributes:
        version: 1 or 2.
        top: where it is mounted.
        root: which group of the host is at ``top``.
        controllers: the controllers it serves.
    """

    version: int
    top: Path
    root: str
    controllers: frozenset[str]


def hierarchies(mounted: Sequence[mounts.Mount]) -> tuple[Hierarchy, ...]:
    """The trees among these mounts."""
    found = []
    for mount in mounted:
        if mount.kind == "cgroup":
            served = frozenset(mount.options.split(",")) & set(ALL)
            found.append(Hierarchy(1, Path(mount.point), mount.root, served))
        elif mount.kind == "cgroup2":
            names: frozenset[str] = frozenset()
            with contextlib.suppress(OSError):
                names = frozenset((Path(mount.point) / "cgroup.controllers").read_text("ascii").split())
            served = frozenset(name for name in ALL if _V2_NAMES.get(name, name) in names)
            found.append(Hierarchy(2, Path(mount.point), mount.root, served))
    return tuple(found)


def own_groups(text: str) -> Mapping[str, str]:
    """The group this process is in, by controller (``""`` for version 2), from ``/proc/self/cgroup``."""
    groups = {}
    for line in text.splitlines():
        _, _, rest = line.partition(":")
        names, _, path = rest.partition(":")
        for name in names.split(","):
            groups[name] = path
    return groups


def layout(controllers: Sequence[str], device: str = "") -> Layout | None:
    """Where groups of these controllers, or of those of them that there are, can be made on this host.

    Returns None when this user may make none. Makes and removes an empty group here and there.
    """
    mounted = mounts.current()
    trees = hierarchies(mounted)
    own = own_groups(Path("/proc/self/cgroup").read_text(encoding="utf-8"))
    first: dict[str, PurePosixPath] = {}
    for tree in trees:
        if tree.version == 1:
            for controller in controllers:
                if controller in tree.controllers and controller not in first:
                    parent = _first_usable(_above(tree, own.get(controller, "/")))
                    if parent is not None:
                        first[controller] = PurePosixPath(parent)
    if first:
        return Layout(1, first, device)
    for tree in trees:
        served = tuple(name for name in controllers if name in tree.controllers)
        if tree.version == 2 and served:
            return _layout_v2(tree, own.get("", "/"), served, device)
    return None


def _layout_v2(tree: Hierarchy, own: str, controllers: Sequence[str], device: str) -> Layout | None:
    """The place that offers most of the controllers, as near to this process as possible."""
    best: Layout | None = None
    for folder in _above(tree, own):
        try:
            names = set((folder / "cgroup.controllers").read_text(encoding="ascii").split())
        except OSError:
            continue
        offered = [name for name in controllers if _V2_NAMES.get(name, name) in names]
        if len(offered) <= (len(best.parents) if best else 0):
            continue
        if _is_usable(folder, {_V2_NAMES.get(name, name) for name in offered}):
            best = Layout(2, dict.fromkeys(offered, PurePosixPath(folder)), device)
    return best


def _above(tree: Hierarchy, own: str) -> Iterator[Path]:
    """The process's own group as seen below the mount, then those above it."""
    relative = PurePosixPath(own)
    if relative.is_relative_to(tree.root):
        relative = relative.relative_to(tree.root)
        for folder in (relative, *relative.parents):
            yield tree.top / str(folder).lstrip("/")
    yield tree.top


def _first_usable(folders: Iterable[Path]) -> Path | None:
    return next((folder for folder in folders if folder.is_dir() and _is_usable(folder)), None)


def _is_usable(folder: Path, controllers: Collection[str] = ()) -> bool:
    """Whether groups can be made in a folder, with these controllers of version 2."""
    trial = folder / f"{PREFIX}trial-{os.getpid()}-{secrets.token_hex(3)}"
    try:
        trial.mkdir()
    except OSError:
        return False
    try:
        if not controllers:
            return True
        # With processes of its own a group passes no controllers on: EBUSY, try the one above.
        words = " ".join(f"+{name}" for name in sorted(controllers))
        (folder / "cgroup.subtree_control").write_text(words, encoding="ascii")
        return set(controllers) <= set((trial / "cgroup.controllers").read_text("ascii").split())
    except OSError:
        return False
    finally:
        with contextlib.suppress(OSError):
            trial.rmdir()


def all_runs_groups() -> Iterator[Path]:
    """This user's groups of any run, wherever on this host they are."""
    mounted = mounts.current()
    for top in dict.fromkeys(tree.top for tree in hierarchies(mounted)):
        yield from _search(top, _SEARCH_DEPTH)


def _search(folder: Path, depth: int) -> Iterator[Path]:
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            if not entry.is_dir(follow_symlinks=False):
                continue
            if entry.name.startswith(PREFIX):
                if entry.stat(follow_symlinks=False).st_uid == os.geteuid():
                    yield Path(entry.path)
            elif depth:
                yield from _search(Path(entry.path), depth - 1)


def disk_of(path: Path) -> str:
    """``major:minor`` of the whole disk a file is on; empty when it is on none that can be throttled."""
    number = path.stat().st_dev
    name = f"{os.major(number)}:{os.minor(number)}"
    entry = Path("/sys/dev/block") / name
    if not entry.exists():
        return ""
    if (entry / "partition").exists():
        return (entry.resolve().parent / "dev").read_text(encoding="ascii").strip()
    return name
