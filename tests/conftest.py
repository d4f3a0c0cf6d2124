"""What holds for every test: a state folder of its own, and no skipping where that was forbidden.

``CONTINUUM_E2E`` names providers, as in ``docker,qemu``, or says ``all``: their tests, which are those with
the marker ``providers`` in a file ``test_<provider>*.py``, then fail where they would have been skipped.
"""

import os
import re
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


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.option.markexpr != "providers and not long":
        return
    if unknown := NAMED - {provider_of(item) for item in items} - {"all"}:
        raise pytest.UsageError(f"CONTINUUM_E2E names providers without tests: {', '.join(sorted(unknown))}")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
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
