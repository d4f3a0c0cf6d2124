"""Whatever a config file holds, it is accepted or refused with messages; it never ends in a traceback."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pytest

from continuum.config import loader
from continuum.config.planner import load_modules, make_plan
from continuum.errors import ConfigError

ROOT = Path(__file__).parents[3]
FILES = sorted(
    [*(ROOT / "configs").glob("*.cfg"), *(ROOT / "tests/fixtures/continuum-configs").glob("*.cfg")]
)
MUTATIONS = 2_000
LONG = 200_000

HOSTILE = (
    *("{{ x }}", "${HOME}", "%(x)s", "%s", "../..", '"', "'", "=", ":", "[", "]", "#", ";", ",", ",,,"),
    *("\0", "\x1b[31m", "\u202e", "\ufeff", "\t", "é", "½", "١٢", "NaN ms", "1 GB GB", "0x10", "1_000"),
    *("-1", "0", "-0", "nan", "inf", "1e999", "1e-999", "9" * 400, "999999999", "", "a" * 5_000, "->", "-"),
    *("[link cloud->cloud]", "[tier fog]", "[link fog-cloud]", "True", "unlimited"),
)


def replace_text(rng: random.Random, text: str) -> str:
    at = rng.randrange(len(text) + 1)
    return text[:at] + rng.choice(HOSTILE) + text[at + rng.randrange(40) :]


def replace_value(rng: random.Random, text: str) -> str:
    lines = text.split("\n")
    at = rng.choice([number for number, line in enumerate(lines) if "=" in line] or [0])
    lines[at] = f"{lines[at].partition('=')[0]}= {rng.choice((*HOSTILE, *text.split()))}"
    return "\n".join(lines)


def delete_line(rng: random.Random, text: str) -> str:
    lines = text.split("\n")
    del lines[rng.randrange(len(lines))]
    return "\n".join(lines)


def repeat_line(rng: random.Random, text: str) -> str:
    lines = text.split("\n")
    lines.insert(rng.randrange(len(lines) + 1), rng.choice(lines))
    return "\n".join(lines)


def mix_files(rng: random.Random, text: str) -> str:
    lines, other = text.split("\n"), rng.choice(FILES).read_text(encoding="utf-8").split("\n")
    start, at = rng.randrange(len(other)), rng.randrange(len(lines) + 1)
    return "\n".join([*lines[:at], *other[start : start + 8], *lines[at:]])


KINDS: tuple[Callable[[random.Random, str], str], ...] = (
    replace_text,
    replace_value,
    delete_line,
    repeat_line,
    mix_files,
)


@pytest.mark.parametrize("seed", range(4))
def test_mutated_files_are_accepted_or_refused(seed: int) -> None:
    rng = random.Random(seed)
    texts = [path.read_text(encoding="utf-8") for path in FILES]
    outcomes = {True: 0, False: 0}
    for _ in range(MUTATIONS // 4):
        text = rng.choice(texts)
        for _ in range(rng.choice((1, 1, 1, 2, 4))):
            text = rng.choice(KINDS)(rng, text)
        outcomes[is_accepted(text)] += 1
    assert min(outcomes.values()) > 10, "both ways were taken"


def is_accepted(text: str) -> bool:
    try:
        config = loader.parse(text, "x.cfg")
    except ConfigError as refused:
        check_refusal(refused)
        return False
    make_plan(config, load_modules(config))
    return True


def check_refusal(refused: ConfigError) -> None:
    for line in str(refused).split("\n"):
        assert line.startswith("x.cfg:"), "every line names the file"
        assert line.isprintable(), "and does nothing to the terminal"
    assert all(one.line for one in refused.problems), "every problem names its line"


LONG_LINES = (
    *("a{blanks}b", "a{blanks}b = 1", "[tier{blanks}x]", "[x]{blanks}y", "[{blanks}x", "{blanks}="),
    *(
        'base_path = "{blanks}x',
        "base_path = 'x'{blanks}y",
        "memory = 1{blanks}GB x",
        "base_path = x{blanks}#",
    ),
)


@pytest.mark.timeout(60)  # each takes milliseconds, and took minutes where a pattern went back and forth
@pytest.mark.parametrize("line", LONG_LINES)
def test_long_lines_are_read_in_linear_time(line: str) -> None:
    text = f"[infrastructure]\ncloud_nodes = 1\n{line.format(blanks=' ' * LONG)}\n"
    with pytest.raises(ConfigError):
        loader.parse(text)


def test_more_nodes_than_a_run_has_are_refused_before_they_are_built() -> None:
    tiers = "".join(f"[tier {name}]\nnodes = 10000\ncores = 1\nmemory = 1\n" for name in "abcdefg")
    with pytest.raises(ConfigError) as refused:
        loader.parse(f"[infrastructure]\ninfra_only = 1\n{tiers}", "x.cfg")
    assert str(refused.value) == (
        'x.cfg:4: [tier a] nodes = "10000": 70,000 nodes in all; a run has at most 65,000'
    )
