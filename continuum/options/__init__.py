"""The keys of config files and the types of their values: parsing, checks and docs share one declaration.

Options of the core are in ``continuum.config.core_options``; a module declares its own in
``options: ClassVar[tuple[Option, ...]]``::

    Option("benchmark", "frequency", Real(minimum=0.1), 5.0, "frames per second of each endpoint")
"""

from continuum.options.option import Option
from continuum.options.quantities import (
    Cores,
    DiskRate,
    Duration,
    Fraction,
    Integer,
    Latency,
    Memory,
    Percent,
    Quantity,
    QueueSize,
    Real,
    Throughput,
)
from continuum.options.value_types import (
    Choice,
    FilePath,
    Flag,
    Name,
    Text,
    Texts,
    Value,
    ValueType,
    nearest,
    nearest_first,
)

__all__ = [
    "Choice",
    "Cores",
    "DiskRate",
    "Duration",
    "FilePath",
    "Flag",
    "Integer",
    "ValueType",
    "Latency",
    "Memory",
    "Name",
    "Option",
    "Percent",
    "Quantity",
    "QueueSize",
    "Real",
    "Fraction",
    "Text",
    "Texts",
    "Throughput",
    "Value",
    "nearest",
    "nearest_first",
]
