"""Test calls of the API, on a fixed schedule, each of them timed: the latency that a client sees.

Latency counts from the intended time, so an API that does not answer for a while is not called less often.
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
from resource_manager.kubecontrol.api_https import ApiConnection

PART = "API, asked from here"
GET, LIST, POST, DELETE = "GET of a node", "LIST of all nodes", "POST of a config map", "DELETE of it"
PERIOD_S: Mapping[str, float] = {GET: 0.2, LIST: 1.0, POST: 0.2}
"""Interval between calls of each kind; a deletion follows each creation."""

MOST_BEHIND_S = 30.0
"""A call that is overdue for longer than this is not made any more and counts as failed."""

_NODES = "/api/v1/nodes"
_MAPS = "/api/v1/namespaces/default/configmaps"
_JOIN_S = 5.0


class Probe:
    """Calls the API until ``end``.

    Args:
        open_connection: opens a connection to the API; each kind of call uses its own.
        node: name of a node that exists.

    Attributes:
        samples_ms: latency of every call that was answered, by kind, in the order of their intended times.
        failed: number of calls without an answer, by kind.
    """

    def __init__(self, open_connection: Callable[[], ApiConnection], node: str) -> None:
        self._open_connection, self._node = open_connection, node
        self._over = threading.Event()
        self.samples_ms: dict[str, list[float]] = {GET: [], LIST: [], POST: [], DELETE: []}
        self.failed: dict[str, int] = dict.fromkeys(self.samples_ms, 0)
        self._threads = [
            threading.Thread(target=self._run, args=(kind,), daemon=True, name=f"probe: {kind}")
            for kind in PERIOD_S
        ]

    def start(self) -> None:
        """Start calling."""
        for thread in self._threads:
            thread.start()

    def end(self) -> None:
        """Stop calling."""
        self._over.set()
        for thread in self._threads:
            if thread.is_alive():
                thread.join(_JOIN_S)

    def rows(self) -> Iterator[PartLatency]:
        """The measured latency, one row for each kind of call."""
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
        way, number, due_s = self._open_connection(), 0, time.monotonic()
        while not self._over.wait(max(0.0, due_s - time.monotonic())):
            if time.monotonic() - due_s > MOST_BEHIND_S:
                self.failed[kind] += 1
            else:
                self._call(way, kind, number, due_s)
            number, due_s = number + 1, due_s + PERIOD_S[kind]
        way.close()

    def _call(self, way: ApiConnection, kind: str, number: int, due_s: float) -> None:
        if kind == POST:
            name = f"continuum-probe-{number}"
            if self._time(way, POST, due_s, ("POST", _MAPS, _map(name))):
                self._time(way, DELETE, time.monotonic(), ("DELETE", f"{_MAPS}/{name}", None))
        else:
            path = f"{_NODES}/{self._node}" if kind == GET else _NODES
            self._time(way, kind, due_s, ("GET", path, None))

    def _time(
        self, way: ApiConnection, kind: str, due_s: float, request: tuple[str, str, Mapping[str, Any] | None]
    ) -> bool:
        with contextlib.suppress(ConnectionFailure):
            way.ask(*request)
            self.samples_ms[kind].append((time.monotonic() - due_s) * 1000)
            return True
        self.failed[kind] += 1
        return False


def _map(name: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {"by": "continuum"}}
