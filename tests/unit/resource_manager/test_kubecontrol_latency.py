"""Latency of the control plane: histograms read, subtracted and estimated; calls of our own, timed."""

from __future__ import annotations

import json
import ssl
import threading
import time
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest

from continuum.errors import ConnectionFailure
from continuum.model.result import PartLatency, Result
from continuum.report import setup_tables
from continuum.rundir import manager_latency
from continuum.testing.fake_connection import FakeConnection
from resource_manager.kubecontrol import api_probe, control_plane_latency, histograms
from resource_manager.kubecontrol.api_https import ApiConnection
from resource_manager.kubecontrol.control_plane_latency import Scrape
from resource_manager.kubecontrol.histograms import Histogram

REQUESTS = control_plane_latency.REQUESTS
ATTEMPT = "scheduler_scheduling_attempt_duration_seconds"


def series(name: str, labels: str, below: dict[str, int], sum_s: float) -> str:
    lines = [f'{name}_bucket{{{labels},le="{bound}"}} {count}' for bound, count in below.items()]
    total = list(below.values())[-1]
    return "\n".join([*lines, f"{name}_sum{{{labels}}} {sum_s}", f"{name}_count{{{labels}}} {total}", ""])


def labels(verb: str, resource: str, subresource: str = "") -> str:
    return f'component="apiserver",resource="{resource}",subresource="{subresource}",verb="{verb}"'


BEFORE = (
    "# HELP apiserver_request_duration_seconds [STABLE] Response latency\n"
    + series(REQUESTS, labels("GET", "pods"), {"0.005": 10, "0.05": 10, "+Inf": 10}, 0.01)
    + series(REQUESTS, labels("WATCH", "pods"), {"0.005": 0, "+Inf": 10}, 600)
    + "apiserver_request_duration_seconds_other 7\n"
)
AFTER = (
    series(REQUESTS, labels("GET", "pods"), {"0.005": 510, "0.05": 1010, "+Inf": 1010}, 20.01)
    + series(REQUESTS, labels("GET", "nodes"), {"0.005": 1000, "0.05": 1000, "+Inf": 1000}, 1.0)
    + series(REQUESTS, labels("POST", "pods", "binding"), {"0.005": 0, "0.05": 4, "+Inf": 5}, 0.6)
    + series(REQUESTS, labels("WATCH", "pods"), {"0.005": 0, "+Inf": 20}, 1200)
)


def scrape(text: str = "", scheduler: str = "") -> Scrape:
    return Scrape(
        0,
        histograms.read(text, [REQUESTS]),
        histograms.read(scheduler, list(control_plane_latency.SCHEDULING)),
    )


def test_a_histogram_is_read_with_its_labels() -> None:
    found = histograms.read(BEFORE, [REQUESTS])[REQUESTS]
    assert len(found) == 2
    key = next(labels for labels in found if ("verb", "GET") in labels)
    assert found[key] == Histogram({0.005: 10, 0.05: 10, float("inf"): 10}, 0.01, 10)


def test_latency_of_the_api_server_is_what_came_between_two_readings() -> None:
    rows = {
        (row.request, row.resource): row
        for row in control_plane_latency.server_rows(scrape(BEFORE), scrape(AFTER))
    }
    assert set(rows) == {
        ("GET", ""), ("GET", "pods"), ("GET", "nodes"), ("POST", ""), ("POST", "pods/binding")
    }  # fmt: skip
    pods = rows["GET", "pods"]
    assert (pods.count, pods.mean_ms, pods.estimated) == (1000, pytest.approx(20), True)
    assert pods.p50_ms == pytest.approx(5)
    assert pods.p99_ms == pytest.approx(5 + 45 * 49 / 50)
    assert rows["GET", ""].count == 2000
    assert rows["GET", ""].p50_ms == pytest.approx(5 * 100 / 150)
    assert rows["POST", ""].p99_ms is None, "five samples support no such percentile"


def test_beyond_the_last_bucket_only_its_bound_is_known() -> None:
    far = Histogram({0.1: 10, float("inf"): 700}, 900, 700)
    assert far.quantile_s(990) == 0.1
    assert Histogram({float("inf"): 200}, 900, 200).quantile_s(500) is None
    assert Histogram().mean_s is None


def test_latency_of_the_scheduler_is_told_apart_by_result() -> None:
    text = "".join(
        series(ATTEMPT, f'profile="default-scheduler",result="{result}"', {"0.001": many, "+Inf": many}, 0.01)
        for result, many in (("scheduled", 1000), ("unschedulable", 3))
    )
    text += "scheduler_scheduling_algorithm_duration_seconds_sum 0.5\n"
    text += 'scheduler_scheduling_algorithm_duration_seconds_bucket{le="+Inf"} 1000\n'
    text += "scheduler_scheduling_algorithm_duration_seconds_count 1000\n"
    rows = {
        row.request: row.count for row in control_plane_latency.scheduler_rows(scrape(), scrape("", text))
    }
    assert rows == {
        "choice of a node": 1000,
        "attempt, with binding: scheduled": 1000,
        "attempt, with binding: unschedulable": 3,
    }


ROWS = (
    PartLatency("API server", "GET", "", 5000, 3.25, 2.5, 18.5, None, True),
    PartLatency("API server", "GET", "pods", 5000, 3.25, 2.5, 18.5, None, True),
    PartLatency("API, asked from here", api_probe.GET, "", 50, 3.25, 2.5, None, 20.0),
)


def test_latencies_are_the_same_after_a_way_through_files(tmp_path: Path) -> None:
    assert manager_latency.read(tmp_path) == ()
    manager_latency.write(tmp_path, ROWS, seconds=5)
    assert manager_latency.read(tmp_path) == ROWS
    assert json.loads((tmp_path / manager_latency.FILE).read_text())["seconds"] == 5
    result = Result("run", manager_latency=ROWS)
    assert Result.from_json(json.loads(json.dumps(result.to_json()))).manager_latency == ROWS


def test_the_table_says_which_figures_are_estimated_and_leaves_single_resources_out() -> None:
    table = setup_tables.manager_latency(Result("run", manager_latency=ROWS))
    assert [row.cells for row in table.rows] == [
        ("API server", "GET", "5,000", "3.25 ms", "~2.50 ms", "~18.5 ms", "-"),
        ("API, asked from here", api_probe.GET, "50", "3.25 ms", "2.50 ms", "-", "20.0 ms"),
    ]


class Api(BaseHTTPRequestHandler):
    """Answers over the connections that an API server would; keeps what it was asked."""

    protocol_version = "HTTP/1.1"
    asked: ClassVar[list[tuple[str, str, str]]] = []
    slow_s: ClassVar[float] = 0.0

    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.asked.append((self.command, self.path, body.decode()))
        time.sleep(self.slow_s)
        self.send_response(404 if "missing" in self.path else 200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    do_GET = do_POST = do_DELETE = _answer  # noqa: N815 - as the library wants it

    def log_message(self, *_: Any) -> None: ...


def _keys(folder: Path) -> Path:
    """A certificate that signs itself, as authority, server and administrator at once."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(timezone.utc)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test")])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("kubernetes")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = made.public_bytes(serialization.Encoding.PEM)
    for file in ("api-ca.crt", "admin.crt"):
        (folder / file).write_bytes(pem)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (folder / "admin.key").write_bytes(private)
    return folder


@pytest.fixture
def server(tmp_path: Path) -> Iterator[tuple[int, Path]]:
    """Port of something that answers like an API server, and the folder of keys for it."""
    keys = _keys(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(keys / "admin.crt", keys / "admin.key")
    context.load_verify_locations(keys / "api-ca.crt")
    context.verify_mode = ssl.CERT_REQUIRED
    Api.asked, Api.slow_s = [], 0.0
    with ThreadingHTTPServer(("127.0.0.1", 0), Api) as made:
        made.daemon_threads = True
        made.socket = context.wrap_socket(made.socket, server_side=True)
        threading.Thread(target=made.serve_forever, daemon=True).start()
        yield made.server_port, keys
        made.shutdown()


def test_a_way_asks_as_the_administrator_and_names_what_is_refused(
    server: tuple[int, Path], tmp_path: Path
) -> None:
    port, keys = server
    way = ApiConnection(FakeConnection("cloud0", tmp_path), port, keys)
    assert way.ask("GET", "/x") == b"{}"
    with pytest.raises(ConnectionFailure, match=f"cloud0: port {port}: GET /missing: 404"):
        way.ask("GET", "/missing")
    assert way.ask("POST", "/x", {"a": 1}) == b"{}"
    assert Api.asked[-1] == ("POST", "/x", '{"a": 1}')
    way.close()
    assert way.ask("GET", "/again") == b"{}"
    way.close()


def test_a_probe_asks_in_all_ways_and_removes_what_it_made(server: tuple[int, Path], tmp_path: Path) -> None:
    port, keys = server
    asking = api_probe.Probe(lambda: ApiConnection(FakeConnection("cloud0", tmp_path), port, keys), "cloud0")
    asking.start()
    deadline = time.monotonic() + 60
    while not all(len(samples) >= 2 for samples in asking.samples_ms.values()):
        assert time.monotonic() < deadline, asking.samples_ms
        time.sleep(0.05)
    asking.end()
    asking.end()
    assert {row.request for row in asking.rows()} == {
        api_probe.GET,
        api_probe.LIST,
        api_probe.POST,
        api_probe.DELETE,
    }
    made = {json.loads(body)["metadata"]["name"] for method, _, body in Api.asked if method == "POST"}
    removed = {path.rpartition("/")[2] for method, path, _ in Api.asked if method == "DELETE"}
    assert made == removed
    assert sum(asking.failed.values()) == 0


def test_a_call_that_waits_for_an_earlier_one_counts_from_when_it_was_due(
    server: tuple[int, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    port, keys = server
    Api.slow_s = 0.05
    monkeypatch.setattr(api_probe, "PERIOD_S", {api_probe.GET: 0.001})
    asking = api_probe.Probe(lambda: ApiConnection(FakeConnection("cloud0", tmp_path), port, keys), "cloud0")
    asking.start()
    deadline = time.monotonic() + 60
    while len(asking.samples_ms[api_probe.GET]) < 10:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    asking.end()
    assert asking.samples_ms[api_probe.GET][9] > 9 * 50, "the queue is left out"


def test_what_is_not_answered_is_counted(tmp_path: Path) -> None:
    keys = _keys(tmp_path)
    asking = api_probe.Probe(lambda: ApiConnection(FakeConnection("cloud0", tmp_path), 1, keys), "cloud0")
    asking.start()
    deadline = time.monotonic() + 60
    while not asking.failed[api_probe.LIST]:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    asking.end()
    assert list(asking.rows()) == []
