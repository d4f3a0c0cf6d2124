"""What programs learn of the front that an execution model puts between them."""

import time

import pytest

from continuum.sdk.http_front import Front, Passed, url
from continuum.sdk.protocol import ENV_ADDRESS, ENV_NODE

FRONT = Front("gateway", "X-Start-Time")
MS = 1_000_000


def test_requests_go_to_the_worker_unless_something_stands_before_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(ENV_ADDRESS, raising=False)
    assert url("cloud0", 8000) == "http://cloud0:8000/"
    monkeypatch.setenv(ENV_ADDRESS, "http://{host}:8080/function/worker")
    assert url("cloud0", 8000) == "http://cloud0:8080/function/worker"
    monkeypatch.setenv(ENV_ADDRESS, "http://cloud1:31112/")
    assert url("cloud0", 8000) == "http://cloud1:31112/"


def test_a_worker_learns_of_its_front_by_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in FRONT.to_environment().items():
        monkeypatch.setenv(name, value)
    assert Front.from_environment() == FRONT
    for name in FRONT.to_environment():
        monkeypatch.delenv(name)
    assert Front.from_environment() is None


def test_the_time_of_the_head_in_front_is_that_of_the_request(monkeypatch: pytest.MonkeyPatch) -> None:
    """The body takes 18 ms more, which is the link's time and not the front's."""
    monkeypatch.setattr(time, "time_ns", lambda: 1_700_000_000_000_000_000)
    monkeypatch.setattr(time, "monotonic_ns", lambda: 5_000_000_000)
    head_ns = 5_000_000_000 - 20 * MS
    noted_ns = 1_700_000_000_000_000_000 - 20 * MS - 3 * MS
    found = FRONT.passed({"X-Start-Time": str(noted_ns)}, head_ns, head_ns + 18 * MS)
    assert found == Passed("gateway", head_ns + 15 * MS)


def test_a_clock_that_is_ahead_of_the_fronts_is_put_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "time_ns", lambda: 1_700_000_000_000_000_000)
    monkeypatch.setattr(time, "monotonic_ns", lambda: 5_000_000_000)
    front = Front("gateway", "X-Start-Time", {"cloud2": 40 * MS})
    noted = {"X-Start-Time": str(1_700_000_000_000_000_000 - 42 * MS)}
    for node, taken_ns in (("cloud1", 42 * MS), ("cloud2", 2 * MS)):
        monkeypatch.setenv(ENV_NODE, node)
        assert front.passed(noted, 5_000_000_000, 5_000_000_000) == Passed(
            "gateway", 5_000_000_000 - taken_ns
        )


@pytest.mark.parametrize("headers", [{}, {"X-Start-Time": ""}, {"X-Start-Time": "yesterday"}])
def test_a_front_that_says_nothing_leaves_its_time_unknown(headers: dict[str, str]) -> None:
    assert FRONT.passed(headers, 1, 2) is None
