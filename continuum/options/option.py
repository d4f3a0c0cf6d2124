"""One key of a config file: its section, kind, default and help."""

from __future__ import annotations

from dataclasses import dataclass

from continuum.options.value_types import Value, ValueType


@dataclass(frozen=True)
class Option:
    """One key of a config file.

    Attributes:
        section: section it is written in, without brackets.
        key: its name, in lower case.
        kind: what it may hold.
        default: value when it is not given, in the kind's base unit; None for none.
        help: what it is for, in one or two sentences.
        required: whether it must be given where its module is in use.
        default_text: the default in words, where it depends on something else.
        needs_reader: whether a key of the core has an effect only where a module in use declares it, too.
    """

    section: str
    key: str
    value_type: ValueType
    default: Value = None
    help: str = ""
    required: bool = False
    default_text: str = ""
    needs_reader: bool = False

    @property
    def name(self) -> tuple[str, str]:
        """Section and key, both in lower case."""
        return self.section.lower(), self.key.lower()

    def describe_default(self) -> str:
        """The default for the reference."""
        if self.required:
            return "must be given"
        if self.default_text:
            return self.default_text
        return "" if self.default is None else f"`{self.value_type.show(self.default)}`"
