"""Kinds of values that are words: how their text becomes a Python value."""

from __future__ import annotations

import os
import re
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

Value = object

MAX_PATH_BYTES, MAX_NAME_BYTES = 4095, 255
"""Longest path and longest name within one that Linux accepts (PATH_MAX, NAME_MAX)."""


class ValueType(ABC):
    """How the text of a value becomes a Python value."""

    @abstractmethod
    def parse(self, text: str) -> Value:
        """The value; ValueError says what is wrong and what to write instead."""

    @abstractmethod
    def describe(self) -> str:
        """What may be written, for the reference."""

    def show(self, value: Value) -> str:
        """A value as a user would write it."""
        return str(value)


@dataclass(frozen=True)
class Flag(ValueType):
    """True or False, kept as ``bool``."""

    _words: ClassVar[dict[str, bool]] = {
        **dict.fromkeys(("true", "yes", "on", "1"), True),
        **dict.fromkeys(("false", "no", "off", "0"), False),
    }

    def parse(self, text: str) -> bool:
        """Read the word."""
        value = self._words.get(text.lower())
        if value is None:
            raise ValueError("neither True nor False; write one of them")
        return value

    def describe(self) -> str:
        """Both words."""
        return "`True` or `False`"


@dataclass(frozen=True)
class Text(ValueType):
    """Any text, kept as ``str``."""

    def parse(self, text: str) -> str:
        """As it is."""
        return text

    def describe(self) -> str:
        """That it is text."""
        return "text"


@dataclass(frozen=True)
class Name(ValueType):
    """A text that can be part of a file's name, kept as ``str``."""

    def parse(self, text: str) -> str:
        """As it is."""
        if not re.fullmatch(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,58}[A-Za-z0-9])?", text):
            raise ValueError("not a name: letters, digits and -._ inside, at most 60")
        return text

    def describe(self) -> str:
        """The characters."""
        return "letters, digits, and inside `-`, `.`, `_`; at most 60"


@dataclass(frozen=True, init=False)
class Choice(ValueType):
    """One of some words, whatever their case, kept as ``str`` in the spelling declared.

    Attributes:
        words: what may be written.
    """

    words: tuple[str, ...]

    def __init__(self, *words: str) -> None:
        object.__setattr__(self, "words", words)

    def parse(self, text: str) -> str:
        """Find the word."""
        for word in self.words:
            if word.lower() == text.lower():
                return word
        raise ValueError(f"not one of: {', '.join(nearest_first(text, self.words))}")

    def describe(self) -> str:
        """All words."""
        return ", ".join(f"`{word}`" for word in self.words)


@dataclass(frozen=True)
class FilePath(ValueType):
    """A path, kept as ``str``; ``Section.path`` resolves ``~`` and the config file's folder."""

    def parse(self, text: str) -> str:
        """As it is."""
        if "\0" in text:
            raise ValueError("no path can hold a NUL character")
        if (length := len(os.fsencode(text))) > MAX_PATH_BYTES:
            raise ValueError(f"{length} bytes long; write a path of at most {MAX_PATH_BYTES} bytes")
        if (length := max(len(os.fsencode(name)) for name in text.split("/"))) > MAX_NAME_BYTES:
            raise ValueError(f"a name of {length} bytes in it; write names of at most {MAX_NAME_BYTES} bytes")
        return text

    def describe(self) -> str:
        """How it is resolved."""
        return "path (from the config file's folder; `~` is your home)"


@dataclass(frozen=True)
class Texts(ValueType):
    """Texts separated by commas, kept as ``tuple[str, ...]``."""

    def parse(self, text: str) -> tuple[str, ...]:
        """Split at commas and line ends; empty items do not count."""
        items = (item.strip().strip("\"'").strip() for item in text.replace("\n", ",").split(","))
        return tuple(item for item in items if item)

    def show(self, value: Value) -> str:
        """Joined again."""
        assert isinstance(value, tuple)
        return ", ".join(value)

    def describe(self) -> str:
        """The separator."""
        return "list, separated by commas"


def nearest_first(word: str, known: tuple[str, ...]) -> tuple[str, ...]:
    """All known words, those that resemble ``word`` first; the rest keep their order."""
    import difflib

    lowered = {name.lower(): name for name in known}
    near = [lowered[name] for name in difflib.get_close_matches(word.lower(), list(lowered), n=3)]
    return (*near, *(name for name in known if name not in near))


def nearest(word: str, known: tuple[str, ...]) -> str | None:
    """The known word that resembles ``word`` most; None when none does."""
    import difflib

    lowered = {name.lower(): name for name in known}
    near = difflib.get_close_matches(word.lower(), list(lowered), n=1)
    return lowered[near[0]] if near else None
