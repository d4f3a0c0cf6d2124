"""A config file -> ``Config``, or everything that is wrong with it at once."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from continuum.config import cross_checks, ini
from continuum.config.core_options import LINK, TIER
from continuum.config.link_presets import BUILTIN_TIERS
from continuum.config.resolve_keys import PLAIN_SECTIONS, Places, options_in_use, place
from continuum.config.select_modules import Chosen, choose
from continuum.errors import ConfigError, Problem
from continuum.model.config import Config
from continuum.model.section import Section
from continuum.options import Option, Value

_MAX_BYTES = 1_000_000

#: What a wrong or missing value of a tier counts as while the rest is checked: plenty, so that one
#: mistake is not reported twice.
_PLENTY: dict[str, Value] = {"nodes": 1, "cores": 4096.0, "memory": 64 * 1024**2}


def load(path: str | Path) -> Config:
    """Read a config file.

    Raises:
        ConfigError: the file cannot be read, or has problems; all of them are in the error.
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
    """Understand the text of a config file.

    Args:
        text: the file's content.
        name: the file as the user gave it; relative paths start from its folder.

    Raises:
        ConfigError: there are problems; all of them are in the error.
    """
    if not text.strip():
        raise ConfigError([Problem("empty; see configs/quickstart.cfg for a first config", file=name)])
    if "\0" in text:
        raise ConfigError([Problem("not a text file", file=name)])
    document = ini.scan(text, name)
    chosen = choose(document, name)
    options = options_in_use(chosen.modules())
    places = place(document, name, options, complete=not chosen.problems)
    builder = _Builder(name, places)
    config = _build(text, builder, chosen, options)
    problems = [*document.problems, *chosen.problems, *places.problems, *builder.problems]
    problems += _news(cross_checks.missing(config, chosen), problems)
    problems += _news(cross_checks.check(config, document, chosen, places.strange), problems)
    problems += _news(_module_problems(config, chosen, tuple(problems)), problems)
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
    """Makes sections out of placed entries, and collects the values that make no sense."""

    def __init__(self, name: str, places: Places) -> None:
        self.name = name
        self.places = places
        self.problems: list[Problem] = []

    def section(self, name: str, options: list[Option]) -> Section:
        values: dict[str, Value] = {option.key: option.default for option in options}
        placed = self.places.entries.get(name, {})
        folder = Path(self.name).parent
        entries = {key: entry for key, (entry, _) in placed.items()}
        section = Section(name, values, entries, self.name, folder, self.places.lines.get(name, 0))
        for key, (entry, option) in placed.items():
            try:
                values[key] = option.kind.parse(entry.value)
            except ValueError as error:
                self.problems.append(section.problem(key, str(error)))
                if name.startswith("tier "):
                    values[key] = _PLENTY.get(key, option.default)
        return section


def _build(text: str, builder: _Builder, chosen: Chosen, options: Mapping[tuple[str, str], Option]) -> Config:
    """The config as far as it makes sense."""
    places = builder.places
    infrastructure, benchmark, execution_model, run = (
        builder.section(section, [o for (where, _), o in options.items() if where == section])
        for section in PLAIN_SECTIONS
    )
    own = [s.removeprefix("tier ") for s in places.lines if s.startswith("tier ")]
    tiers = {t: builder.section(f"tier {t}", list(TIER)) for t in dict.fromkeys((*BUILTIN_TIERS, *own))}
    named = [s for s in (*places.entries, *places.lines) if s.startswith("link ")]
    links = {s.removeprefix("link "): builder.section(s, list(LINK)) for s in dict.fromkeys(named)}
    config = Config(Path(builder.name), text, infrastructure, benchmark, execution_model, run, tiers, links)
    return _settle(config, chosen, places)


def _settle(config: Config, chosen: Chosen, places: Places) -> Config:
    """Fill in what follows from something else."""
    infrastructure, run = config.infrastructure, config.run
    changes: dict[str, dict[str, Value]] = {name: {} for name in PLAIN_SECTIONS}
    for (section, key), name in chosen.names.items():
        changes[section][key] = name
    if any(name.startswith("link ") for name in places.lines):
        changes["infrastructure"]["network_emulation"] = True
    if not run.given("name"):
        stem = re.sub(r"[^A-Za-z0-9._-]+", "-", config.path.stem)[:60].strip("-._")
        changes["run"]["name"] = stem or "run"
    if not run.given("keep") and infrastructure.values["delete"] is False:
        changes["run"]["keep"] = "always"
    sections = {name: getattr(config, name).with_values(values) for name, values in changes.items()}
    return replace(config, **sections, tiers={n: _filled(tier) for n, tier in config.tiers.items()})


def _filled(tier: Section) -> Section:
    """A tier whose missing values, which are reported, count as plenty."""
    return tier.with_values({k: _PLENTY.get(k) for k, value in tier.values.items() if value is None})


def _module_problems(config: Config, chosen: Chosen, known: tuple[Problem, ...]) -> Iterator[Problem]:
    """What the modules in use find."""
    broken = any(problem.severity == "error" for problem in known)
    for module in chosen.modules():
        try:
            yield from tuple(module.check(config))
        except Exception:
            if not broken:  # else it stumbled over a value that is reported already
                raise


def _news(found: Iterable[Problem], known: list[Problem]) -> list[Problem]:
    """Those problems that are not about a value which is known to be wrong."""
    wrong = {(p.line, p.key) for p in known if p.severity == "error" and p.line and p.key}
    return [problem for problem in found if (problem.line, problem.key) not in wrong]
