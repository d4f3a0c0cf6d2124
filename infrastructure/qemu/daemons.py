"""Addresses of the libvirt daemons this user has had guests at: where to look for what was left behind."""

from __future__ import annotations

from continuum.rundir import index

_FILE = "libvirt-daemons"


def known() -> tuple[str, ...]:
    """Every address used so far."""
    try:
        text = (index.folder().parent / _FILE).read_text(encoding="utf-8")
    except FileNotFoundError:
        return ()
    return tuple(dict.fromkeys(text.split()))


def remember(uri: str) -> None:
    """Write an address down, before anything is made there."""
    if uri in known():
        return
    path = index.folder().parent / _FILE
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as file:
        file.write(uri + "\n")
