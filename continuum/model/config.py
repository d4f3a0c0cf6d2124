"""A checked config."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from continuum.errors import Problem
from continuum.model.repeat import Repeat
from continuum.model.section import Section
from continuum.options.tolerance import Tolerance
from continuum.options.value_types import Value

_SECRET = re.compile(r"(?im)^(\s*\w*(?:secret|password|token|access_key)\w*\s*[=:][ \t]*)\S.*$")


@dataclass(frozen=True)
class Config:
    """The content of a config file, checked.

    Attributes:
        path: the file.
        text: its content, unchanged.
        infrastructure: section ``[infrastructure]``, without tiers and links.
        benchmark: section ``[benchmark]``, including keys of the application and the resource manager.
        execution_model: section ``[execution_model]``.
        run: section ``[run]``.
        tiers: keys of each tier by its name, flat or in a section: cloud, edge, endpoint, then those that the
            user named. A tier may have no nodes.
        links: keys of each configured link, by ``a-b`` (both directions) or ``a->b``.
        warnings: warnings for the user.
        repeat: which repeat of the config a run of it is.
    """

    path: Path
    text: str
    infrastructure: Section
    benchmark: Section
    execution_model: Section
    run: Section
    tiers: Mapping[str, Section]
    links: Mapping[str, Section]
    warnings: tuple[Problem, ...] = ()
    repeat: Repeat = field(default_factory=Repeat)

    @property
    def keep(self) -> str:
        """When to keep the nodes at the end: ``never``, ``on-failure`` or ``always``."""
        return self.run.text("keep")

    @property
    def tolerance(self) -> Tolerance:
        """Tolerance between measured and configured links."""
        value = self.run.values["tolerance"]
        return value if isinstance(value, Tolerance) else Tolerance()

    @property
    def public_text(self) -> str:
        """The file's content with passwords, tokens and secret keys masked."""
        return _SECRET.sub(r"\1***", self.text)

    def resolved(self) -> dict[str, dict[str, Any]]:
        """Every value by section and key, including defaults, as JSON values."""
        sections = (self.infrastructure, self.benchmark, self.execution_model, self.run)
        all_sections = (*sections, *self.tiers.values(), *self.links.values())
        return {
            section.name: {key: _plain(value) for key, value in section.values.items()}
            for section in all_sections
        }


def _plain(value: Value) -> Any:
    if isinstance(value, Tolerance):
        return asdict(value)
    if isinstance(value, tuple):
        return list(value)
    return "unlimited" if value == math.inf else value
