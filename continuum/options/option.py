"""A key of a config file: its section, type, default and help."""

from __future__ import annotations

from dataclasses import dataclass

from continuum.options.value_types import Value, ValueType


@dataclass(frozen=True)
class Option:
    """A key of a config file.

    Attributes:
        section: name of its section, without brackets.
        key: its name, in lower case.
        value_type: type of its values.
        default: value if the key is absent, in the base unit of its type; None for no default.
        help: description in one or two sentences.
        required: whether it must be given if its module is in use.
        default_text: description of a default that depends on something else.
        needs_reader: whether a key of the core has an effect only if a module in use declares it as well.
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
        """Section and key in lower case."""
        return self.section.lower(), self.key.lower()

    def describe_default(self) -> str:
        """The default as shown in the configuration reference."""
        if self.required:
            return "must be given"
        if self.default_text:
            return self.default_text
        return "" if self.default is None else f"`{self.value_type.show(self.default)}`"
