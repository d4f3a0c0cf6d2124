"""Finds out, by trying, where control groups can be created on this host."""

from __future__ import annotations

import contextlib
import os
import secrets
import stat
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from continuum.host import mounts
from continuum.host.cgroup.group_plan import PACING, PREFIX, Layout

ALL = ("cpu", "cpuacct", "cpuset", "memory", "blkio")
"""Controllers that limit nodes or count what they use."""

_V2_NAMES = {"blkio": "io", "cpuacct": "cpu"}
_SEARCH_DEPTH = 8


@dataclass(frozen=True)
class Hierarchy:
    """A mounted hierarchy of control groups.

    Attributes:
        version: 1 or 2.
        top: its mount point.
        root: the group of the host that is mounted at ``top``.
        controllers: its controllers.
    """

    version: int
    top: Path
    root: str
    controllers: frozenset[str]


def hierarchies(mounted: Sequence[mounts.Mount]) -> tuple[Hierarchy, ...]:
    """The hierarchies among mounts."""
    found = []
    for mount in mounted:
        if mount.kind == "cgroup":
            served = frozenset(mount.options.split(",")) & {*ALL, *PACING}
            found.append(Hierarchy(1, Path(mount.point), mount.root, served))
        elif mount.kind == "cgroup2":
            names: frozenset[str] = frozenset()
            with contextlib.suppress(OSError):
                names = frozenset((Path(mount.point) / "cgroup.controllers").read_text("ascii").split())
            served = frozenset(name for name in ALL if _V2_NAMES.get(name, name) in names)
            found.append(Hierarchy(2, Path(mount.point), mount.root, served))
    return tuple(found)


def own_groups(text: str) -> Mapping[str, str]:
    """The groups of a process, by controller (``""`` for version 2), from ``/proc/<pid>/cgroup``."""
    groups = {}
    for line in text.splitlines():
        _, _, rest = line.partition(":")
        names, _, path = rest.partition(":")
        for name in names.split(","):
            groups[name] = path
    return groups


def layout(controllers: Sequence[str], device: str = "") -> Layout | None:
    """Where groups with these controllers, as far as available, can be created on this host.

    Returns None if this user may not create any. To find out, empty groups are created and deleted.
    """
    mounted = mounts.current()
    trees = hierarchies(mounted)
    own = own_groups(Path("/proc/self/cgroup").read_text(encoding="utf-8"))
    first: dict[str, PurePosixPath] = {}
    limiting = tuple(name for name in controllers if name in ALL)
    for tree in trees:
        if tree.version == 1:
            for controller in limiting:
                if controller in tree.controllers and controller not in first:
                    parent = _first_usable(_above(tree, own.get(controller, "/")))
                    if parent is not None:
                        first[controller] = PurePosixPath(parent)
    if first:
        return Layout(1, first | _pacing(trees, own, controllers), device)
    for tree in trees:
        served = tuple(name for name in limiting if name in tree.controllers)
        if tree.version == 2 and served:
            return _layout_v2(tree, own.get("", "/"), served, device)
    return None


def _pacing(
    trees: Sequence[Hierarchy], own: Mapping[str, str], controllers: Sequence[str]
) -> dict[str, PurePosixPath]:
    """Parents of the groups that slow nodes down; empty unless all of them can be created.

    Every group of version 2 can be counted by ``perf_event``, beside limits of version 1. Stopping takes the
    ``freezer`` of version 1: that of version 2 wakes every sleeping thread of a node twice each time.
    """
    found: dict[str, PurePosixPath] = {}
    for name in PACING:
        for tree in trees:
            counts = name == "perf_event" and tree.version == 2
            if name in controllers and name not in found and (counts or name in tree.controllers):
                parent = _first_usable(_above(tree, own.get("" if counts else name, "/")))
                if parent is not None:
                    found[name] = PurePosixPath(parent)
    return found if len(found) == len(PACING) else {}


def _layout_v2(tree: Hierarchy, own: str, controllers: Sequence[str], device: str) -> Layout | None:
    """The group with most of the controllers; of several, the one closest to this process's own."""
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
    """Folder of the process's own group, then those of its ancestors."""
    relative = PurePosixPath(own)
    if relative.is_relative_to(tree.root):
        relative = relative.relative_to(tree.root)
        for folder in (relative, *relative.parents):
            yield tree.top / str(folder).lstrip("/")
    yield tree.top


def _first_usable(folders: Iterable[Path]) -> Path | None:
    return next((folder for folder in folders if folder.is_dir() and _is_usable(folder)), None)


def _is_usable(folder: Path, controllers: Collection[str] = ()) -> bool:
    """Whether groups can be created in a folder, with these controllers of version 2."""
    trial = folder / f"{PREFIX}trial-{os.getpid()}-{secrets.token_hex(3)}"
    try:
        trial.mkdir()
    except OSError:
        return False
    try:
        if not controllers:
            return True
        # A group that contains processes cannot delegate controllers (EBUSY); the caller tries its parent.
        words = " ".join(f"+{name}" for name in sorted(controllers))
        (folder / "cgroup.subtree_control").write_text(words, encoding="ascii")
        return set(controllers) <= set((trial / "cgroup.controllers").read_text("ascii").split())
    except OSError:
        return False
    finally:
        with contextlib.suppress(OSError):
            trial.rmdir()


def is_group(path: Path, name: str) -> bool:
    """Whether a path names an existing control group of this user, with this name, in a mounted hierarchy."""
    if path.name != name or ".." in path.parts:
        return False
    tops = {tree.top for tree in hierarchies(mounts.current())}
    if not any(path.is_relative_to(top) for top in tops) or path.resolve() != path:
        return False
    try:
        found = path.lstat()
    except OSError:
        return False
    return stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid()


def all_runs_groups() -> Iterator[Path]:
    """Groups of all of this user's runs, anywhere in the hierarchies."""
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
    """``major:minor`` of the whole disk with a file; empty if it is on no disk that can be throttled."""
    number = path.stat().st_dev
    name = f"{os.major(number)}:{os.minor(number)}"
    entry = Path("/sys/dev/block") / name
    if not entry.exists():
        return ""
    if (entry / "partition").exists():
        return (entry.resolve().parent / "dev").read_text(encoding="ascii").strip()
    return name
