"""Networks between nodes: planned, emulated by one of two engines, and measured."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from continuum.rundir.run import Run


def destroy(run: Run, owned: Sequence[tuple[str, str]]) -> None:
    """Remove what the run's network engine left on this host, by the journal alone; harmless twice."""
    if any(kind == "fabric" for kind, _ in owned):
        from continuum.network.fabric.ending import end

        end(run.directory, run.id)
