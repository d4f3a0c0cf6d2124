"""Base class of value types, and the types that are not numeric."""

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
    """The type of a value in a config file: parses its text to a Python value."""

    @abstractmethod
    def parse(self, text: str) -> Value:
        """The value; ValueError says what is wrong and shows the correct form."""

    @abstractmethod
    def describe(self) -> str:
        """The accepted text, for the configuration reference."""

    def show(self, value: Value) -> str:
        """A value as a user would write it."""
        return str(value)


@dataclass(frozen=True)
class Flag(ValueType):
    """True or False, parsed to ``bool``."""

    _words: ClassVar[dict[str, bool]] = {
        **dict.fromkeys(("true", "yes", "on", "1"), True),
        **dict.fromkeys(("false", "no", "off", "0"), False),
    }

    def parse(self, text: str) -> bool:
        """True for ``true``, ``yes``, ``on`` and ``1``; False for their opposites; ValueError otherwise."""
        value = self._words.get(text.lower())
        if value is None:
            raise ValueError("neither True nor False; write one of them")
        return value

    def describe(self) -> str:
        """True or False."""
        return "`True` or `False`"


@dataclass(frozen=True)
class Text(ValueType):
    """Any text, parsed to ``str``."""

    def parse(self, text: str) -> str:
        """The text, unchanged."""
        return text

    def describe(self) -> str:
        """``text``."""
        return "text"


@dataclass(frozen=True)
class Name(ValueType):
    """Text that can be part of a file name, parsed to ``str``."""

    def parse(self, text: str) -> str:
        """The name; ValueError if it contains other characters or is too long."""
        if not re.fullmatch(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,58}[A-Za-z0-9])?", text):
            raise ValueError("not a name: use letters and digits, with -._ inside, at most 60")
        return text

    def describe(self) -> str:
        """The allowed characters."""
        return "letters and digits, with `-`, `.`, `_` inside; at most 60 characters"


@dataclass(frozen=True, init=False)
class Choice(ValueType):
    """One of several words in any case, parsed to ``str`` in its declared spelling.

    Attributes:
        words: the accepted words.
    """

    words: tuple[str, ...]

    def __init__(self, *words: str) -> None:
        object.__setattr__(self, "words", words)

    def parse(self, text: str) -> str:
        """The word; ValueError lists all words, nearest first."""
        for word in self.words:
            if word.lower() == text.lower():
                return word
        raise ValueError(f"not one of: {', '.join(nearest_first(text, self.words))}")

    def describe(self) -> str:
        """All words."""
        return ", ".join(f"`{word}`" for word in self.words)


@dataclass(frozen=True)
class FilePath(ValueType):
    """A path, parsed to ``str``; ``Section.path`` resolves ``~`` and the config file's folder."""

    def parse(self, text: str) -> str:
        """The path as written; ValueError if it contains NUL."""
        if "\0" in text:
            raise ValueError("a path cannot contain a NUL character")
        if (length := len(os.fsencode(text))) > MAX_PATH_BYTES:
            raise ValueError(f"{length} bytes long; write a path of at most {MAX_PATH_BYTES} bytes")
        if (length := max(len(os.fsencode(name)) for name in text.split("/"))) > MAX_NAME_BYTES:
            raise ValueError(f"a name of {length} bytes in it; write names of at most {MAX_NAME_BYTES} bytes")
        return text

    def describe(self) -> str:
        """How relative paths are resolved."""
        return "path, relative to the folder of the config file; `~` is your home"


@dataclass(frozen=True)
class Texts(ValueType):
    """Texts separated by commas, parsed to ``tuple[str, ...]``."""

    def parse(self, text: str) -> tuple[str, ...]:
        """The items, split at commas and line ends; empty items are dropped."""
        items = (item.strip().strip("\"'").strip() for item in text.replace("\n", ",").split(","))
        return tuple(item for item in items if item)

    def show(self, value: Value) -> str:
        """The items, joined by commas."""
        assert isinstance(value, tuple)
        return ", ".join(value)

    def describe(self) -> str:
        """The separator."""
        return "comma-separated list"


def nearest_first(word: str, known: tuple[str, ...]) -> tuple[str, ...]:
    """All known words: first those similar to ``word``, then the others in their order."""
    import difflib

    lowered = {name.lower(): name for name in known}
    near = [lowered[name] for name in difflib.get_close_matches(word.lower(), list(lowered), n=3)]
    return (*near, *(name for name in known if name not in near))


def nearest(word: str, known: tuple[str, ...]) -> str | None:
    """The known word most similar to ``word``; None if none is similar."""
    import difflib

    lowered = {name.lower(): name for name in known}
    near = difflib.get_close_matches(word.lower(), list(lowered), n=1)
    return lowered[near[0]] if near else None
