"""Latency of API server and scheduler while pods start and run: from their metrics, and by test calls."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from continuum.connection import Connection
from continuum.errors import ConnectionFailure
from continuum.model.result import PartLatency
from continuum.rundir import manager_latency
from continuum.rundir.run import Run
from resource_manager.kubecontrol import histograms
from resource_manager.kubecontrol.api_https import ApiConnection
from resource_manager.kubecontrol.api_probe import Probe
from resource_manager.kubecontrol.histograms import Histogram, Labels
from resource_manager.kubernetes.api import PORT

API_SERVER, SCHEDULER = "API server", "scheduler"
SCHEDULER_PORT = 10259
REQUESTS = "apiserver_request_duration_seconds"
ENDLESS = frozenset({"WATCH", "CONNECT"})
"""Requests that last as long as the client wants."""

SCHEDULING: Mapping[str, str] = {
    "scheduler_scheduling_algorithm_duration_seconds": "choice of a node",
    "scheduler_scheduling_attempt_duration_seconds": "attempt, with binding",
    "scheduler_pod_scheduling_sli_duration_seconds": "pod, queue included",
}
"""Histograms of the scheduler, and how the result calls them."""

Readings = Mapping[str, Mapping[Labels, Histogram]]


@dataclass(frozen=True)
class Scrape:
    """The histograms of both parts at one moment.

    Attributes:
        at_s: that moment on CLOCK_MONOTONIC.
        api_server: of the API server; empty where it did not answer.
        scheduler: of the scheduler; likewise.
    """

    at_s: float
    api_server: Readings
    scheduler: Readings


class LatencyWatch:
    """Measures the latency of a control plane from ``start`` to ``end``.

    Args:
        connection: to the control plane.
        run: the run, in whose folder the result is written.
        keys: folder of the administrator's keys.
        simulated: number of simulated nodes.
    """

    def __init__(self, connection: Connection, run: Run, keys: Path, simulated: int) -> None:
        self._connection, self._run, self._keys, self._simulated = connection, run, keys, simulated
        self._probe = Probe(lambda: ApiConnection(connection, PORT, keys), connection.node)
        self._before: Scrape | None = None

    def start(self) -> None:
        """Read the metrics for the first time, and start the test calls."""
        self._before = self._scrape()
        self._probe.start()

    def give_up(self) -> None:
        """Stop without a result."""
        self._before = None
        self._probe.end()

    def end(self) -> None:
        """Read the metrics again and write the latencies between both readings; harmless when repeated."""
        before, self._before = self._before, None
        self._probe.end()
        if before is None or (self._run.directory / manager_latency.FILE).exists():
            return
        after = self._scrape()
        manager_latency.write(
            self._run.directory,
            [*server_rows(before, after), *scheduler_rows(before, after), *self._probe.rows()],
            seconds=round(after.at_s - before.at_s, 3),
            simulated_nodes=self._simulated,
            samples_ms=self._probe.samples_ms,
            failed=self._probe.failed,
            histograms=list(_kept(before, after)),
        )
        if failed := sum(self._probe.failed.values()):
            self._run.note(f"the API did not answer {failed} of the calls by which its latency is measured")

    def _scrape(self) -> Scrape:
        return Scrape(
            time.monotonic(), self._read(PORT, [REQUESTS]), self._read(SCHEDULER_PORT, list(SCHEDULING))
        )

    def _read(self, port: int, names: list[str]) -> Readings:
        way = ApiConnection(self._connection, port, self._keys, is_api=port == PORT)
        try:
            return histograms.read(way.ask("GET", "/metrics").decode(errors="replace"), names)
        except (ConnectionFailure, ValueError) as error:
            self._run.note(f"metrics of the control plane cannot be read: {error}")
            return {}
        finally:
            way.close()


def server_rows(before: Scrape, after: Scrape) -> Iterator[PartLatency]:
    """The API server's latency by verb, and by verb and resource, between two scrapes; pure."""
    by_verb: dict[str, Histogram] = {}
    by_both: dict[tuple[str, str], Histogram] = {}
    for labels, fresh in _since(before.api_server, after.api_server, REQUESTS):
        verb = labels.get("verb", "")
        if verb in ENDLESS:
            continue
        both = verb, _resource(labels)
        by_verb[verb] = by_verb.get(verb, Histogram()) + fresh
        by_both[both] = by_both.get(both, Histogram()) + fresh
    for verb, histogram in sorted(by_verb.items()):
        yield _row(API_SERVER, verb, "", histogram)
    for (verb, resource), histogram in sorted(by_both.items()):
        yield _row(API_SERVER, verb, resource, histogram)


def scheduler_rows(before: Scrape, after: Scrape) -> Iterator[PartLatency]:
    """The scheduler's latency between two scrapes; pure."""
    for name, words in SCHEDULING.items():
        by_result: dict[str, Histogram] = {}
        for labels, fresh in _since(before.scheduler, after.scheduler, name):
            result = labels.get("result", "")
            by_result[result] = by_result.get(result, Histogram()) + fresh
        for result, histogram in sorted(by_result.items()):
            yield _row(SCHEDULER, f"{words}: {result}" if result else words, "", histogram)


def _resource(labels: Mapping[str, str]) -> str:
    """Resource of a request; ``other`` where the API server reports none."""
    resource, part = labels.get("resource", ""), labels.get("subresource", "")
    return (f"{resource}/{part}" if part else resource).strip("/") or "other"


def _since(before: Readings, after: Readings, name: str) -> Iterator[tuple[dict[str, str], Histogram]]:
    return histograms.since(before.get(name, {}), after.get(name, {}))


def _row(part: str, request: str, resource: str, histogram: Histogram) -> PartLatency:
    return PartLatency(
        part,
        request,
        resource,
        round(histogram.count),
        _ms(histogram.mean_s),
        _ms(histogram.quantile_s(500)),
        _ms(histogram.quantile_s(990)),
        estimated=True,
    )


def _ms(seconds: float | None) -> float | None:
    return None if seconds is None else seconds * 1000


def _kept(before: Scrape, after: Scrape) -> Iterator[dict[str, Any]]:
    """Every histogram as it grew, from which other estimates can be made."""
    pairs = ((before.api_server, after.api_server), (before.scheduler, after.scheduler))
    for first, last in pairs:
        for name in last:
            for labels, fresh in _since(first, last, name):
                below = [[str(bound), count] for bound, count in sorted(fresh.below.items())]
                yield {"name": name, "labels": labels, "below": below, "sum_s": fresh.sum_s}
