"""Messages of workloads are found in their logs, as they grow."""

from pathlib import Path

from continuum.sdk.messages import Messages


def test_messages_are_found_among_other_lines(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text('hello\ncontinuum: {"ready": true}\ncontinuum: {"progress": {"sent": 3}}\n')
    messages = Messages(log)
    messages.refresh()
    assert messages.ready
    assert messages.progress == {"sent": 3}


def test_half_a_line_waits_for_its_other_half(tmp_path: Path) -> None:
    log = tmp_path / "log"
    messages = Messages(log)
    messages.refresh()
    log.write_text('continuum: {"rea')
    messages.refresh()
    assert not messages.ready
    with log.open("a") as file:
        file.write('dy": true}\n')
    messages.refresh()
    assert messages.ready


def test_lines_that_only_look_like_messages_do_no_harm(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("continuum: not json\ncontinuum: [1]\n")
    messages = Messages(log)
    messages.refresh()
    assert not messages.ready


def test_tail_shows_the_last_lines(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("".join(f"line {number}\n" for number in range(9)))
    assert Messages(log).tail(2) == "\n  line 7\n  line 8"
    assert Messages(tmp_path / "missing").tail() == ""
