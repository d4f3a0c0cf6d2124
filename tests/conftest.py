"""What holds for every test: a state folder of its own, and no skipping where that was forbidden.

``CONTINUUM_E2E`` names providers, as in ``docker,qemu``, or says ``all``: their tests, which are those with
the marker ``providers`` in a file ``test_<provider>*.py``, then fail where they would have been skipped.

``CONTINUUM_DURATIONS`` names a file to which the duration and CPU time of every test are appended, as JSON
lines; ``scripts/slowest`` prints them as a table.
"""

import json
import os
import re
import resource
import sys
import threading
import traceback
from collections.abc import Generator
from pathlib import Path

import pytest

NAMED = frozenset(re.split(r"[,\s]+", os.environ.get("CONTINUUM_E2E", "").strip())) - {""}


@pytest.fixture(autouse=True)
def state_home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No test sees or touches the user's runs."""
    folder = tmp_path_factory.mktemp("state")
    monkeypatch.setenv("XDG_STATE_HOME", str(folder))
    return folder


def provider_of(item: pytest.Item) -> str:
    """The provider that a test is about; empty for tests without the marker."""
    return item.path.stem.split("_")[1] if item.get_closest_marker("providers") else ""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if not config.option.markexpr.startswith("providers and not long"):
        return
    if unknown := NAMED - {provider_of(item) for item in items} - {"all"}:
        raise pytest.UsageError(f"CONTINUUM_E2E names providers without tests: {', '.join(sorted(unknown))}")


_CPU_BEFORE_S = pytest.StashKey[float]()


def _cpu_s() -> float:
    """CPU time of this process and of the ended ones that it started."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    item.stash[_CPU_BEFORE_S] = _cpu_s()


class Durations:
    """Appends the duration of each test to a file; with several workers, in the process that has them."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._seconds: dict[str, float] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        total_s = self._seconds.pop(report.nodeid, 0.0) + report.duration
        if report.when != "teardown":
            self._seconds[report.nodeid] = total_s
            return
        cpu_s = dict(report.user_properties).get("cpu_s", 0.0)
        with self._file.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"test": report.nodeid, "seconds": total_s, "cpu_s": cpu_s}) + "\n")


def pytest_configure(config: pytest.Config) -> None:
    if (name := os.environ.get("CONTINUUM_DURATIONS")) and not hasattr(config, "workerinput"):
        config.pluginmanager.register(Durations(Path(name)))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    report.user_properties.append(("cpu_s", _cpu_s() - item.stash.setdefault(_CPU_BEFORE_S, 0.0)))
    if report.skipped and NAMED & {"all", provider_of(item)} and provider_of(item):
        why = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        report.outcome = "failed"
        report.longrepr = f"CONTINUUM_E2E does not allow this test to be skipped: {why}"
    return report


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Tell of threads that outlive the tests: what they wait for may end the interpreter in disorder."""
    frames = sys._current_frames()
    for thread in threading.enumerate():
        if thread is not threading.main_thread():
            terminalreporter.section(f"thread left: {thread.name}")
            if thread.ident in frames:
                terminalreporter.write("".join(traceback.format_stack(frames[thread.ident])))
