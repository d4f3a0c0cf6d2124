"""Calls of our own to the API, on a fixed schedule, each of them timed: what a user of it sees.

Latency counts from the intended time, so an API that does not answer for a while is not asked less.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from continuum.errors import ConnectionFailure
from continuum.measure.statistics import summarise
from continuum.model.result import PartLatency
from resource_manager.kubecontrol.https import Way

PART = "API, asked from here"
GET, LIST, POST, DELETE = "GET of a node", "LIST of all nodes", "POST of a config map", "DELETE of it"
PERIOD_S: Mapping[str, float] = {GET: 0.2, LIST: 1.0, POST: 0.2}
"""How often each is asked; a deletion follows each creation."""

MOST_BEHIND_S = 30.0
"""What is due for longer than that is not asked any more, but counted as failed."""

_NODES = "/api/v1/nodes"
_MAPS = "/api/v1/namespaces/default/configmaps"
_JOIN_S = 5.0


class Probe:
    """Asks the API until it is told to end.

    Args:
        open_way: opens a way to the API; each kind of call has one of its own.
        node: name of a node that there is.

    Attributes:
        samples_ms: latency of every call that was answered, by kind, in the order of their intended times.
        failed: how many were not, by kind.
    """

    def __init__(self, open_way: Callable[[], Way], node: str) -> None:
        self._open_way, self._node = open_way, node
        self._over = threading.Event()
        self.samples_ms: dict[str, list[float]] = {GET: [], LIST: [], POST: [], DELETE: []}
        self.failed: dict[str, int] = dict.fromkeys(self.samples_ms, 0)
        self._threads = [
            threading.Thread(target=self._run, args=(kind,), daemon=True, name=f"probe: {kind}")
            for kind in PERIOD_S
        ]

    def start(self) -> None:
        """Begin to ask."""
        for thread in self._threads:
            thread.start()

    def end(self) -> None:
        """Ask no longer."""
        self._over.set()
        for thread in self._threads:
            if thread.is_alive():
                thread.join(_JOIN_S)

    def rows(self) -> Iterator[PartLatency]:
        """What was measured, one row for each kind of call."""
        for kind, samples in self.samples_ms.items():
            if samples:
                summed = summarise(samples)
                yield PartLatency(
                    PART,
                    kind,
                    count=summed.count,
                    mean_ms=summed.mean,
                    p50_ms=summed.p50,
                    p99_ms=summed.p99,
                    max_ms=summed.max,
                )

    def _run(self, kind: str) -> None:
        way, number, due_s = self._open_way(), 0, time.monotonic()
        while not self._over.wait(max(0.0, due_s - time.monotonic())):
            if time.monotonic() - due_s > MOST_BEHIND_S:
                self.failed[kind] += 1
            else:
                self._call(way, kind, number, due_s)
            number, due_s = number + 1, due_s + PERIOD_S[kind]
        way.close()

    def _call(self, way: Way, kind: str, number: int, due_s: float) -> None:
        if kind == POST:
            name = f"continuum-probe-{number}"
            if self._time(way, POST, due_s, ("POST", _MAPS, _map(name))):
                self._time(way, DELETE, time.monotonic(), ("DELETE", f"{_MAPS}/{name}", None))
        else:
            path = f"{_NODES}/{self._node}" if kind == GET else _NODES
            self._time(way, kind, due_s, ("GET", path, None))

    def _time(
        self, way: Way, kind: str, due_s: float, request: tuple[str, str, Mapping[str, Any] | None]
    ) -> bool:
        with contextlib.suppress(ConnectionFailure):
            way.ask(*request)
            self.samples_ms[kind].append((time.monotonic() - due_s) * 1000)
            return True
        self.failed[kind] += 1
        return False


def _map(name: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {"by": "continuum"}}
