"""The reader of config files: the dialect of configparser, with lines and all problems."""

import configparser
from pathlib import Path

import pytest

from continuum.config import ini

CONFIGS = sorted((Path(__file__).parents[2] / "fixtures" / "continuum-configs").glob("*.cfg"))


def read(text: str) -> dict[str, str]:
    document = ini.scan(text, "x.cfg")
    assert document.problems == ()
    return {entry.key: entry.value for entry in document.entries}


@pytest.mark.parametrize("path", [p for p in CONFIGS if p.name != "template.cfg"], ids=lambda path: path.name)
def test_answers_are_those_of_configparser(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    parser = configparser.RawConfigParser(inline_comment_prefixes=("#", ";"))
    parser.read_string(text)
    theirs = {
        (section, key): parser[section][key].strip("\"'") for section in parser for key in parser[section]
    }
    document = ini.scan(text, "x.cfg")
    assert {(entry.section, entry.key.lower()): entry.value for entry in document.entries} == theirs
    assert document.problems == ()
    lines = text.splitlines()
    assert all(lines[entry.line - 1].startswith(entry.key) for entry in document.entries)


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("k = v", "v"),
        ("k=v", "v"),
        ("k : v", "v"),
        ("\tk\t=\tv\t", "v"),
        ("k = v # comment", "v"),
        ("k = v ; comment", "v"),
        ("k = v\t# comment", "v"),
        ("k = # comment", ""),
        ("k =", ""),
        ("k = ~", "~"),
        ("k = 7.21# Options", "7.21"),
        ("k = 7;", "7"),
        ("k = -3#x", "-3"),
        ("k = a#b", "a#b"),
        ("k = 3a#b", "3a#b"),
        ("k = a;b", "a;b"),
        ('k = "e2-medium"   # comment', "e2-medium"),
        ("k = 'single'", "single"),
        ('k = ""', ""),
        ('k = "a # b"  # c', "a # b"),
        ('k = "a", "b"', '"a", "b"'),
        ("k = it's", "it's"),
        ("k = a = b", "a = b"),
        ("k = %(home)s", "%(home)s"),
        ("k = http://x:1/y", "http://x:1/y"),
    ],
)
def test_value_of_a_line(line: str, value: str) -> None:
    assert read(f"[s]\n{line}\n") == {"k": value}


def test_longer_values_go_on_indented_lines() -> None:
    assert read("[s]\nk = a,\n    b,  # second\n    c\nl = 1\n") == {"k": "a,\nb,\nc", "l": "1"}


def test_indented_pairs_are_pairs() -> None:
    assert read("[s]\n  k = 1\n    l = 2\n\tm = 3\n") == {"k": "1", "l": "2", "m": "3"}


def test_byte_order_mark_and_foreign_line_ends_do_not_matter() -> None:
    for text in ("\ufeff[s]\r\nk = 1\r\n\r\nl = 2\r\n", "[s]\rk = 1\r\rl = 2"):
        document = ini.scan(text, "x.cfg")
        assert [(entry.key, entry.value, entry.line) for entry in document.entries] == [
            ("k", "1", 2),
            ("l", "2", 4),
        ]


def test_other_line_separators_do_not_shift_lines() -> None:
    document = ini.scan("[s]\n# page\x0cbreak\u2028here\nk = 1\n", "x.cfg")
    assert document.entries[0].line == 3


def test_section_names_are_tidied() -> None:
    document = ini.scan("[Infrastructure]  # here\n[ tier   FOG ]\n", "x.cfg")
    assert document.sections == {"infrastructure": 1, "tier fog": 2}


def test_all_problems_of_form_come_at_once() -> None:
    document = ini.scan("stray\n[a]\nk = 1\nK = 2\nnothing\n[a]\nl = 'x\n[b\nm = 1\n", "x.cfg")
    assert [str(problem) for problem in document.problems] == [
        "x.cfg:1: a key before the first section; write [infrastructure] above it",
        "x.cfg:4: [a] K: key already given on line 3; keep one",
        'x.cfg:5: [a] not "key = value": nothing',
        "x.cfg:6: [a] section already given on line 2; merge the two",
        "x.cfg:7: [a] l: the quote (') is not closed",
        "x.cfg:8: not a section header: [b; write e.g. [infrastructure]",
    ]
