"""What a key of a config file may hold: the one declaration that parsing, checking and docs share.

The core's own options are in ``continuum.config.core_options``; a module declares its own as
``options: ClassVar[tuple[Option, ...]]``, so a key is described in one place only::

    Option("benchmark", "frequency", Real(minimum=0.1), 5.0, "frames per second of each endpoint")
"""

from __future__ import annotations

from dataclasses import dataclass

from continuum.options.value_types import (
    Choice,
    FilePath,
    Flag,
    Kind,
    Name,
    Text,
    Texts,
    Value,
    nearest,
    nearest_first,
)
from continuum.options.quantities import (
    Cores,
    DiskRate,
    Duration,
    Integer,
    Latency,
    Memory,
    Percent,
    Quantity,
    Real,
    Share,
    Throughput,
)

__all__ = [
    "Choice",
    "Cores",
    "DiskRate",
    "Duration",
    "FilePath",
    "Flag",
    "Integer",
    "Kind",
    "Latency",
    "Memory",
    "Name",
    "Option",
    "Percent",
    "Quantity",
    "Real",
    "Share",
    "Text",
    "Texts",
    "Throughput",
    "Value",
    "nearest",
    "nearest_first",
]


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
    kind: Kind
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
        return "" if self.default is None else f"`{self.kind.show(self.default)}`"
