"""A section of a config file: typed access to its values, and problems that name them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, TypeVar

from continuum.errors import Problem
from continuum.options.value_types import Value

_T = TypeVar("_T")


@dataclass(frozen=True)
class Entry:
    """One key and its value.

    Attributes:
        section: its section, in lower case.
        key: the key as written.
        value: the value without quotes and comments; empty if none is given.
        line: its line, from 1.
    """

    section: str
    key: str
    value: str
    line: int


@dataclass(frozen=True)
class Section:
    """The values of one section, defaults included.

    Accessors ignore the case of keys. They raise KeyError for a key that no option declares and TypeError for
    a value of another type; both are programming errors.

    Attributes:
        name: its name, without brackets.
        values: value of every key, in its base unit; None if it has no value.
        entries: the entry of each key in the file; flat keys under the key of their section.
        file: the config file as the user gave it.
        folder: base of relative paths.
        line: line of the section's header; 0 if it has none.
    """

    name: str
    values: Mapping[str, Value]
    entries: Mapping[str, Entry]
    file: str
    folder: Path
    line: int = 0

    def given(self, key: str) -> bool:
        """Whether the file gives the key a value, valid or not."""
        return key.lower() in self.entries

    def text(self, key: str) -> str:
        """A text or a choice."""
        return self._typed(key, str)

    def maybe_text(self, key: str) -> str | None:
        """A text or a choice; None if there is none."""
        return None if self.values[key.lower()] is None else self.text(key)

    def integer(self, key: str) -> int:
        """A whole number, or memory in MiB."""
        return self._typed(key, int)

    def maybe_integer(self, key: str) -> int | None:
        """A whole number, or memory in MiB; None if there is none."""
        return None if self.values[key.lower()] is None else self.integer(key)

    def real(self, key: str) -> float:
        """A number, in its base unit."""
        value = self.values[key.lower()]
        return float(value) if isinstance(value, int) else self._typed(key, float)

    def maybe_real(self, key: str) -> float | None:
        """A number, in its base unit; None if there is none."""
        return None if self.values[key.lower()] is None else self.real(key)

    def flag(self, key: str) -> bool:
        """True or False."""
        return self._typed(key, bool)

    def texts(self, key: str) -> tuple[str, ...]:
        """A list."""
        return self._typed(key, tuple)

    def path(self, key: str) -> Path | None:
        """A path with ``~`` expanded, relative to the config file's folder; None if there is none."""
        text = self.maybe_text(key)
        if text is None:
            return None
        try:
            return self.folder / Path(text).expanduser()
        except RuntimeError:  # unknown user or no home directory: taken literally
            return self.folder / text

    def problem(self, key: str, message: str, severity: Literal["error", "warning"] = "error") -> Problem:
        """A problem with a key, at its line, or at the section's line if the key is not given."""
        entry = self.entries.get(key.lower())
        if entry is None:
            return Problem(message, self.file, self.line, self.name, key, None, severity)
        return Problem(message, self.file, entry.line, entry.section, entry.key, entry.value, severity)

    def with_values(self, values: Mapping[str, Value]) -> Section:
        """The same section with some values changed."""
        return replace(self, values={**self.values, **values})

    def _typed(self, key: str, kind: type[_T]) -> _T:
        value = self.values[key.lower()]
        if not isinstance(value, kind):
            raise TypeError(f"[{self.name}] {key} is {value!r}, not of type {kind.__name__}")
        return value
