"""The video application's pure parts: schedule, tracker, messages, settings."""

from __future__ import annotations

import itertools
import statistics

import pytest

from application.video import schedule, settings
from application.video.message import Answer, Frame
from application.video.request_tracker import Pending, RequestTracker
from application.video.settings import EndpointSettings, Server, WorkerSettings

MS = 1_000_000


def offsets_ms(arrival: str, frequency: float = 10, seed: str = "7") -> list[float]:
    return [i.offset_ns / MS for i in schedule.intended_times(arrival, frequency, 100, 0, seed)]


@pytest.mark.parametrize("frequency", [0.3, 1, 7, 10, 30])
def test_periodic_frames_have_a_period_each_and_fill_the_duration(frequency: float) -> None:
    times = offsets_ms("periodic", frequency)
    period = 1000 / frequency
    assert [int(at / period) for at in times] == list(range(round(100 * frequency)))


def test_periodic_frames_have_a_new_phase_every_two_seconds() -> None:
    times = offsets_ms("periodic")
    gaps = [round(later - earlier, 3) for earlier, later in itertools.pairwise(times)]
    others = [number for number, gap in enumerate(gaps, 1) if gap != 100.0]
    assert others == list(range(20, 1000, 20))
    phases = [at % 100 for at in times[::20]]
    assert statistics.mean(phases) == pytest.approx(50, abs=15)
    assert statistics.stdev(phases) == pytest.approx(100 / 12**0.5, rel=0.25)


def test_phases_of_two_endpoints_do_not_stay_together() -> None:
    pairs = zip(
        offsets_ms("periodic", seed="0 endpoint0"), offsets_ms("periodic", seed="0 endpoint1"), strict=True
    )
    apart = [abs(one - other) for one, other in pairs]
    # Within 20 ms of each other in 36 of 100 cases, in every run alike.
    assert 0.2 < sum(gap < 20 for gap in apart) / len(apart) < 0.5


def test_endpoints_differ_in_phase_and_a_seed_repeats_it() -> None:
    assert offsets_ms("periodic", seed="0 endpoint0")[0] != offsets_ms("periodic", seed="0 endpoint1")[0]
    assert offsets_ms("poisson", seed="5") == offsets_ms("poisson", seed="5")
    assert offsets_ms("poisson", seed="5") != offsets_ms("poisson", seed="6")


def test_poisson_gaps_have_the_mean_and_deviation_of_an_exponential_distribution() -> None:
    times = offsets_ms("poisson", frequency=100)
    gaps = [later - earlier for earlier, later in itertools.pairwise(times)]
    assert statistics.mean(gaps) == pytest.approx(10, rel=0.05)
    assert statistics.stdev(gaps) == pytest.approx(10, rel=0.05)


def test_the_warm_up_comes_before_the_measured_time() -> None:
    times = list(schedule.intended_times("periodic", 10, duration_s=3, warmup_s=2, seed="1"))
    assert [i.warmup for i in times] == [True] * 20 + [False] * 30
    assert [i.number for i in times] == list(range(50))


def test_a_request_ends_once_whatever_comes_second() -> None:
    tracker = RequestTracker()
    tracker.open("a", Pending(due_ns=0, frame=3), deadline_ns=100)
    tracker.open("b", Pending(due_ns=0, frame=4), deadline_ns=200)
    assert tracker.close("a", "completed", 50 * MS) == Pending(0, 3)
    assert tracker.close("a", "completed", 60 * MS) is None
    assert tracker.expire(150) == []
    assert tracker.is_open("b")
    assert tracker.expire(200) == ["b"]
    assert not tracker.is_open("b")
    assert tracker.close("b", "completed", 300) is None
    assert tracker.waiting == 0
    assert tracker.numbers() == {"sent": 2, "completed": 1, "lost": 1, "failed": 0, "p50_ms": 50.0}


def test_without_answers_there_is_no_median() -> None:
    tracker = RequestTracker()
    tracker.open("a", Pending(0, 0), 10)
    tracker.close("a", "failed", 5)
    assert tracker.numbers() == {"sent": 1, "completed": 0, "lost": 0, "failed": 1, "p50_ms": None}


def test_messages_survive_the_way() -> None:
    frame = Frame('endpoint0 "x"', "r\n1", b"\n\xff\xd8\n\0")
    assert Frame.decode(frame.encode()) == frame
    answer = Answer("r1", "edge0", "7", 0.5)
    assert Answer.decode(answer.encode()) == answer


@pytest.mark.parametrize("message", [b"", b"{}\n", b"[1]\n", b'["a","b"]', b"\xff\n", b'["a"'])
def test_what_is_no_frame_is_refused(message: bytes) -> None:
    with pytest.raises(ValueError, match=r".*"):
        Frame.decode(message)


@pytest.mark.parametrize("message", [b"", b"{", b"[]", b'{"request": "a", "colour": 1}', b"7"])
def test_what_is_no_answer_is_refused(message: bytes) -> None:
    with pytest.raises(ValueError, match=r".*"):
        Answer.decode(message)


@pytest.mark.parametrize("size", [None, (320, 240)])
def test_settings_reach_the_programs(monkeypatch: pytest.MonkeyPatch, size: tuple[int, int] | None) -> None:
    worker = WorkerSettings("mqtt", (1883, 1884), 3, 7, "unit", "127.0.0.1")
    endpoint = EndpointSettings(
        "video.mp4",
        2.5,
        frame_size=size,
        servers={"endpoint0": Server("edge0-1", "edge0", 1884)},
        local=worker,
    )
    for variable, value in settings.to_environment(worker).items():
        monkeypatch.setenv(variable, value)
    assert settings.worker_from_environment() == worker
    monkeypatch.setenv(settings.VARIABLE, settings.to_environment(endpoint)[settings.VARIABLE])
    assert settings.endpoint_from_environment() == endpoint


def test_settings_of_a_thousand_endpoints_fit_into_one_variable() -> None:
    servers = {f"endpoint{i}": Server(f"edge{i}-10", f"edge{i}", 7447) for i in range(1000)}
    text = settings.to_environment(EndpointSettings("video.mp4", servers=servers))[settings.VARIABLE]
    assert len(text) < 128 * 1024
