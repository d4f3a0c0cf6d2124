"""Loads a config file into a ``Config``, or reports all of its problems at once."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from continuum.config import cross_checks, ini
from continuum.config.core_options import LINK, TIER
from continuum.config.link_presets import BUILTIN_TIERS
from continuum.config.resolve_keys import PLAIN_SECTIONS, ResolvedKeys, options_in_use, resolve
from continuum.config.select_modules import SelectedModules, select
from continuum.errors import ConfigError, Problem
from continuum.model.config import Config
from continuum.model.section import Section
from continuum.model.topology import MAX_NODES
from continuum.options import Option, Value

_MAX_BYTES = 1_000_000

#: Values that replace wrong or missing ones of a tier while the rest is checked, so that one mistake is not
#: reported twice.
_LENIENT_VALUES: dict[str, Value] = {"nodes": 1, "cores": 4096.0, "memory": 64 * 1024**2}


def load(path: str | Path) -> Config:
    """Read a config file.

    Raises:
        ConfigError: the file cannot be read, or has errors; contains all problems.
    """
    data = _read(path)
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        message = f"not UTF-8 text (byte 0x{data[error.start]:02x}); save the file as UTF-8"
        raise ConfigError([Problem(message, file=str(path), line=line)]) from error
    return parse(text, name=str(path))


def parse(text: str, name: str = "config.cfg") -> Config:
    """Parse and check the text of a config file.

    Args:
        text: the file's content.
        name: path of the file as the user gave it; relative paths in the file start from its folder.

    Raises:
        ConfigError: there are errors; contains all problems.
    """
    if not text.strip():
        raise ConfigError(
            [Problem("empty; see configs/quickstart.cfg for a first config", file=name, line=1)]
        )
    if "\0" in text:
        raise ConfigError(
            [Problem("not a text file", file=name, line=1 + text[: text.index("\0")].count("\n"))]
        )
    document = ini.scan(text, name)
    selected = select(document, name)
    options = options_in_use(selected.modules())
    resolved = resolve(document, name, options, complete=not selected.problems)
    builder = _Builder(name, resolved)
    config = _build(text, builder, selected, options)
    problems = [*document.problems, *selected.problems, *resolved.problems, *builder.problems]
    problems += _unreported(cross_checks.missing(config, selected), problems)
    problems += _unreported(
        cross_checks.check(config, document, selected, resolved.has_unknown_sections), problems
    )
    problems += _unreported(_module_problems(config, selected, tuple(problems)), problems)
    problems.sort(key=lambda problem: problem.line or math.inf)
    if any(problem.severity == "error" for problem in problems):
        raise ConfigError(problems)
    return replace(config, warnings=tuple(problems))


def _read(path: str | Path) -> bytes:
    try:
        with Path(path).open("rb") as file:
            data = file.read(_MAX_BYTES + 1)
    except FileNotFoundError as error:
        raise ConfigError([Problem("no such file", file=str(path))]) from error
    except IsADirectoryError as error:
        raise ConfigError([Problem("a folder, not a config file", file=str(path))]) from error
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise ConfigError([Problem(f"cannot be read: {reason}", file=str(path))]) from error
    if len(data) > _MAX_BYTES:
        raise ConfigError([Problem("more than 1 MB; not a config file", file=str(path))])
    return data


class _Builder:
    """Builds sections from resolved entries and collects invalid values."""

    def __init__(self, name: str, resolved: ResolvedKeys) -> None:
        self.name = name
        self.resolved = resolved
        self.problems: list[Problem] = []

    def section(self, name: str, options: list[Option]) -> Section:
        values: dict[str, Value] = {option.key: option.default for option in options}
        placed = self.resolved.entries.get(name, {})
        folder = Path(self.name).parent
        entries = {key: entry for key, (entry, _) in placed.items()}
        section = Section(name, values, entries, self.name, folder, self.resolved.lines.get(name, 0))
        for key, (entry, option) in placed.items():
            try:
                values[key] = option.value_type.parse(entry.value)
            except ValueError as error:
                self.problems.append(section.problem(key, str(error)))
                if name.startswith("tier "):
                    values[key] = _LENIENT_VALUES.get(key, option.default)
        return section


def _build(
    text: str, builder: _Builder, selected: SelectedModules, options: Mapping[tuple[str, str], Option]
) -> Config:
    """The config, with defaults in place of invalid values."""
    resolved = builder.resolved
    infrastructure, benchmark, execution_model, run = (
        builder.section(section, [o for (where, _), o in options.items() if where == section])
        for section in PLAIN_SECTIONS
    )
    own = [s.removeprefix("tier ") for s in resolved.lines if s.startswith("tier ")]
    tiers = {t: builder.section(f"tier {t}", list(TIER)) for t in dict.fromkeys((*BUILTIN_TIERS, *own))}
    named = [s for s in (*resolved.entries, *resolved.lines) if s.startswith("link ")]
    links = {s.removeprefix("link "): builder.section(s, list(LINK)) for s in dict.fromkeys(named)}
    config = Config(Path(builder.name), text, infrastructure, benchmark, execution_model, run, tiers, links)
    return _with_implied_values(config, selected, resolved)


def _with_implied_values(config: Config, selected: SelectedModules, resolved: ResolvedKeys) -> Config:
    """Set values that follow from other values."""
    infrastructure, run = config.infrastructure, config.run
    changes: dict[str, dict[str, Value]] = {name: {} for name in PLAIN_SECTIONS}
    for (section, key), name in selected.names.items():
        changes[section][key] = name
    if any(name.startswith("link ") for name in resolved.lines):
        changes["infrastructure"]["network_emulation"] = True
    if not run.given("name"):
        stem = re.sub(r"[^A-Za-z0-9._-]+", "-", config.path.stem)[:60].strip("-._")
        changes["run"]["name"] = stem or "run"
    if not run.given("keep") and infrastructure.values["delete"] is False:
        changes["run"]["keep"] = "always"
    sections = {name: getattr(config, name).with_values(values) for name, values in changes.items()}
    return replace(config, **sections, tiers={n: _filled(tier) for n, tier in config.tiers.items()})


def _filled(tier: Section) -> Section:
    """A tier with lenient values in place of missing ones, which are reported elsewhere."""
    return tier.with_values({k: _LENIENT_VALUES.get(k) for k, value in tier.values.items() if value is None})


def _module_problems(
    config: Config, selected: SelectedModules, known: tuple[Problem, ...]
) -> Iterator[Problem]:
    """Problems that the modules in use report."""
    if cross_checks.count_nodes(config) > MAX_NODES:
        return  # reported already; modules would build them all
    broken = any(problem.severity == "error" for problem in known)
    for module in selected.modules():
        try:
            yield from tuple(module.check(config))
        except Exception:
            if not broken:  # otherwise it failed on a value that is already reported
                raise


def _unreported(found: Iterable[Problem], known: list[Problem]) -> list[Problem]:
    """The problems that are not about a value already known to be wrong."""
    wrong = {(p.line, p.key) for p in known if p.severity == "error" and p.line and p.key}
    return [problem for problem in found if (problem.line, problem.key) not in wrong]
