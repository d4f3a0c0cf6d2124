"""Parses the text of a config file into entries with line numbers, and collects all syntax errors.

The syntax is that of ``configparser``: ``[section]``, ``key = value`` or ``key: value``, ``#`` and ``;``
comments, also after a blank, no interpolation, multi-line values on indented lines. ``configparser`` itself
stops at the first error and drops line numbers, so it cannot report all problems at once. A test compares the
results of both parsers.

In addition, a value may be quoted (a ``#`` inside the quotes is part of it), and a ``#`` or ``;`` directly
after a number starts a comment.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from continuum.errors import Problem
from continuum.model.section import Entry

_QUOTED = re.compile(r"""(["'])((?:(?!\1).)*)\1\s*(?:[#;].*)?""", re.DOTALL)
_INLINE_COMMENT = re.compile(r"(?:^|\s)[#;].*")
_NUMBER_THEN_COMMENT = re.compile(r"([+-]?[0-9][0-9.]*)[#;].*")


@dataclass(frozen=True)
class Document:
    """The parsed content of a config file.

    Attributes:
        sections: line of each section header, by the name in lower case with single blanks.
        entries: every entry in file order; only the first of duplicates.
        problems: syntax errors.
    """

    sections: dict[str, int]
    entries: tuple[Entry, ...]
    problems: tuple[Problem, ...]


class _Reader:
    """Collects entries line by line."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.sections: dict[str, int] = {}
        self.entries: list[Entry] = []
        self.problems: list[Problem] = []
        self._section: str | None = None
        self._lines: dict[tuple[str, str], int] = {}
        self._complained = False

    def header(self, name: str, line: int) -> None:
        self._section = " ".join(name.lower().split())
        first = self.sections.setdefault(self._section, line)
        if not self._section:
            self._problem(line, "the section has no name; write e.g. [infrastructure]")
        elif first != line:
            self._problem(line, f"section already given on line {first}; merge the two")

    def broken_header(self, text: str, line: int) -> None:
        self._section, self._complained = None, True  # what follows belongs to no known section
        self._problem(line, f"not a section header: {text[:60]}; write e.g. [infrastructure]")

    def pair(self, text: str, line: int) -> None:
        if self._section is None:
            if not self._complained:
                self._problem(line, "a key before the first section; write [infrastructure] above it")
            self._complained = True
            return
        found = _pair(text)
        if found is None or not found[0]:
            shown = text.splitlines()[0]
            self._problem(line, f'not "key = value": {shown[:60]}')
            return
        key, written = found
        first = self._lines.setdefault((self._section, key.lower()), line)
        if first != line:
            self._problem(line, f"key already given on line {first}; keep one", key)
            return
        try:
            value = _clean(written)
        except ValueError as error:
            self._problem(line, str(error), key)
            return
        self.entries.append(Entry(self._section, key, value, line))

    def _problem(self, line: int, message: str, key: str = "") -> None:
        section = self._section or ""
        self.problems.append(Problem(message, file=self.file, line=line, section=section, key=key))


def scan(text: str, file: str) -> Document:
    """Parse a config file. Never raises: errors are in the problems of the document."""
    reader = _Reader(file)
    text = text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    for number, line in _logical_lines(text):
        name = _section_name(line)
        if name is not None:
            reader.header(name, number)
        elif line.startswith("["):
            reader.broken_header(line, number)
        else:
            reader.pair(line, number)
    return Document(reader.sections, tuple(reader.entries), tuple(reader.problems))


def _logical_lines(text: str) -> Iterator[tuple[int, str]]:
    """Lines that are not blank or comments, with their numbers; continuation lines are joined to the first.

    A line continues the previous one if it is indented deeper and is neither a header nor a pair.
    """
    pending: list[str] = []
    first, indent = 0, 0
    for number, raw in enumerate(text.split("\n"), start=1):
        line = raw.strip()
        if not line or line[0] in "#;":
            continue
        depth = len(raw.expandtabs()) - len(raw.expandtabs().lstrip())
        is_pair = _pair(_strip_comment(line)) is not None
        if pending and depth > indent and not is_pair and line[0] != "[" and pending[0][0] != "[":
            pending.append(line)
            continue
        if pending:
            yield first, "\n".join(pending)
        pending, first, indent = [line], number, depth
    if pending:
        yield first, "\n".join(pending)


def _section_name(line: str) -> str | None:
    """The text between the brackets of a section header; None for any other line."""
    name, bracket, rest = line.removeprefix("[").partition("]")
    rest = rest.lstrip()
    is_header = line.startswith("[") and bracket and (not rest or rest[0] in "#;")
    return name if is_header else None


def _pair(text: str) -> tuple[str, str] | None:
    """Key and value, split at the first ``=`` or ``:``; None if there is neither."""
    ends = [index for index in (text.find("="), text.find(":")) if index >= 0]
    if not ends:
        return None
    return text[: min(ends)].rstrip(), text[min(ends) + 1 :].lstrip()


def _clean(value: str) -> str:
    """The value without quotes and comments."""
    if value[:1] in ('"', "'"):
        quoted = _QUOTED.fullmatch(value)
        if quoted:
            return quoted[2].strip()
        if value.count(value[0]) % 2:
            raise ValueError(f"the quote ({value[0]}) is not closed")
    return "\n".join(filter(None, (_strip_comment(line) for line in value.split("\n"))))


def _strip_comment(line: str) -> str:
    number = _NUMBER_THEN_COMMENT.fullmatch(line)
    if number:
        return number[1]
    return _INLINE_COMMENT.sub("", line, count=1).strip()
