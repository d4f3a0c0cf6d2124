"""The table on the terminal: complete, plain where it must be, and as wide as it may be."""

from __future__ import annotations

import io
import os
from pathlib import Path

import pytest
from rich.console import Console

from continuum.model.phase import Phase
from continuum.model.result import LinkFidelity, NodeUse, Result
from continuum.report import terminal
from tests.fake_runs import SCENARIOS, make_result, make_trace, write_bare

GOLDEN = Path(__file__).parents[2] / "golden" / "report_terminal.txt"


def printed(result: Result, width: int = 100) -> str:
    out = io.StringIO()
    terminal.show(
        result, Console(file=out, width=width, highlight=False, markup=False), [Path("plots/cdf.png")]
    )
    return out.getvalue()


def fake(name: str) -> Result:
    return make_result(SCENARIOS[name], make_trace(SCENARIOS[name]))


def test_golden_table():
    text = "\n".join(line.rstrip() for line in printed(fake("many")).splitlines()) + "\n"
    if os.environ.get("UPDATE_GOLDEN"):
        GOLDEN.write_text(text, encoding="utf-8")
    assert text == GOLDEN.read_text(encoding="utf-8")


@pytest.mark.parametrize("width", [80, 100, 140])
@pytest.mark.parametrize("name", ["many", "busy", "clocks", "none"])
def test_fits_its_width(name, width):
    # Reasons, notes and paths are left in one piece on purpose.
    tables = [line for line in printed(fake(name), width).splitlines() if not line.startswith("  ")]
    assert max(len(line) for line in tables) <= width
    assert "..." not in "".join(tables)


def test_plain_stream_gets_no_codes(monkeypatch):
    monkeypatch.delenv("COLUMNS", raising=False)
    out = io.StringIO()
    terminal.show(fake("busy"), out)
    assert "\x1b" not in out.getvalue()
    assert "Latency by stage" in out.getvalue()


def test_terminal_gets_colours():
    out = io.StringIO()
    terminal.show(fake("busy"), Console(file=out, width=100, force_terminal=True, color_system="truecolor"))
    assert "\x1b[" in out.getvalue()


def test_stream_that_knows_only_ascii():
    raw = io.BytesIO()
    out = io.TextIOWrapper(raw, encoding="ascii")
    terminal.show(fake("busy"), out)
    out.flush()
    assert b"+-" in raw.getvalue()
    assert b"endpoint -> edge" in raw.getvalue()


def test_reasons_come_first():
    lines = printed(fake("many")).splitlines()
    assert lines[2] == "Not valid: do not use these numbers"
    assert "out of tolerance" in lines[3]


def test_valid_run_complains_of_nothing():
    assert "Not valid" not in printed(fake("edge"))


@pytest.mark.parametrize(("name", "failed", "network"), [("bare", None, True), ("plain", None, False)])
def test_infrastructure_alone(tmp_path, name, failed, network):
    text = printed(Result.load(write_bare(tmp_path, name, failed, network)))
    assert "infrastructure only" in text
    assert ("links not emulated" in text) == (not network)
    assert "Latency by stage" not in text


def test_failed_run_says_where_and_why(tmp_path):
    text = printed(Result.load(write_bare(tmp_path, "failed", "provision")))
    assert "The run failed\n  phase provision failed: edge0: no /dev/net/tun" in text
    assert "provision 0.27 s FAILED" in text


def test_a_failure_is_told_once():
    phases = (Phase("shape", "failed", error="no room"),)
    text = printed(
        Result("r", invalid_reasons=("no room", "phase shape failed: no room", "more"), phases=phases)
    )
    assert text.count("no room") == 1
    assert "  more\n" in text


def test_nothing_completed():
    text = printed(fake("none"))
    assert "none of 400 requests was completed" in text
    assert "0 of 400" in text


def test_markup_in_names_is_text():
    node = NodeUse("[red]x", "[red]x[/red]", 1, 64)
    link = LinkFidelity("[red]x[/red]", "b", {}, {})
    text = printed(Result("[bold]r", nodes=(node,), network=(link,), notes=("[link=x]y",)))
    assert "[bold]r" in text
    assert "[red]x[/red]" in text
    assert "[link=x]y" in text
    assert "not measured" in text


def test_files_are_found_in_the_run_directory(tmp_path):
    (tmp_path / "plots").mkdir()
    for name in ("plots/cdf.png", "report.html"):
        (tmp_path / name).touch()
    out = io.StringIO()
    terminal.show(Result("r", directory=tmp_path), out)
    assert f"{tmp_path}/plots/cdf.png\n  {tmp_path}/report.html" in out.getvalue()
