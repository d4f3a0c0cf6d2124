"""The libvirt daemons this user has had guests at: where to look for leftovers."""

from __future__ import annotations

from continuum.rundir import index

_FILE = "libvirt-daemons"


def known() -> tuple[str, ...]:
    """URIs of all daemons used so far."""
    try:
        text = (index.folder().parent / _FILE).read_text(encoding="utf-8")
    except FileNotFoundError:
        return ()
    return tuple(dict.fromkeys(text.split()))


def remember(uri: str) -> None:
    """Add a URI; must come before anything is created there."""
    if uri in known():
        return
    path = index.folder().parent / _FILE
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as file:
        file.write(uri + "\n")
