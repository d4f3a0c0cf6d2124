"""Whether links were changed while the load ran. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from continuum.model.fidelity import Disturbance

FIELDS = (
    ("latency_ms", "delay", "ms"),
    ("jitter_ms", "jitter", "ms"),
    ("jitter_correlation_ms", "jitter correlation", "ms"),
    ("bandwidth_mbit", "bandwidth", "Mbit/s"),
    ("queue_bytes", "queue", "bytes"),
    ("loss_percent", "loss", "%"),
)
UNNAMED = "links were changed"

Row = Mapping[str, Any]


class LinkWatch:
    """Notices changed links: by the counter of the engine at once, by the state of the run with their names.

    Args:
        links: the links in effect at the start, as rows of ``state.json``.

    Attributes:
        count: number of changes.
        disturbances: the changes.
    """

    def __init__(self, links: Iterable[Row]) -> None:
        self._links = _by_name(links)
        self._changes: int | None = None
        self.count = 0
        self.disturbances: list[Disturbance] = []

    def note_count(self, at_s: float, changes: int | None) -> None:
        """Compare the engine's counter of changes with the last one."""
        if changes is None:
            return
        if self._changes is not None and changes > self._changes:
            self.count += 1
            self._add(at_s, UNNAMED)
        self._changes = changes

    def note_links(self, at_s: float, links: Iterable[Row]) -> None:
        """Compare the links in effect with the last ones."""
        now = _by_name(links)
        changed = [key for key, row in now.items() if row != self._links.get(key)]
        if not changed:
            return
        what = "; ".join(_describe(key, self._links.get(key), now[key]) for key in changed)
        self._links = now
        last = self.disturbances[-1] if self.disturbances else None
        if last is not None and last.what == UNNAMED:
            # The engine is changed before the state: this is the same change.
            self.disturbances[-1] = Disturbance(last.at_s, last.kind, what)
        else:
            self.count += self._changes is None  # otherwise the engine has counted it
            self._add(at_s, what)

    def _add(self, at_s: float, what: str) -> None:
        self.disturbances.append(Disturbance(at_s, "link_changed", what))


def _by_name(links: Iterable[Row]) -> dict[tuple[str, str], Row]:
    return {(str(row["src"]), str(row["dst"])): row for row in links}


def _describe(key: tuple[str, str], before: Row | None, after: Row) -> str:
    """One changed link with the values that differ; all values if the link had no row before."""
    parts = []
    for field, name, unit in FIELDS:
        new = f"{_number(field, after)} {unit}"
        if before is None:
            parts.append(f"{name} {new}")
        elif before.get(field) != after.get(field):
            parts.append(f"{name} {_number(field, before)} to {new}")
    return f"link {key[0]} -> {key[1]} was changed: {', '.join(parts)}"


def _number(field: str, row: Row) -> str:
    value = row.get(field)
    if value is None:
        return "unlimited" if field == "bandwidth_mbit" else "default"
    return f"{value:g}"
