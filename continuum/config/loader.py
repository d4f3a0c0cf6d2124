"""A config file -> ``Config``, or everything that is wrong with it at once."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from continuum.config import cross_checks, ini
from continuum.config.select_modules import Chosen, choose
from continuum.config.core_options import LINK, TIER
from continuum.errors import ConfigError, Problem
from continuum.options import Option, Value
from continuum.config.link_presets import BUILTIN_TIERS
from continuum.model.section import Section
from continuum.options.tolerance import Tolerance
from continuum.config.resolve_keys import PLAIN_SECTIONS, Places, options_in_use, place

_MAX_BYTES = 1_000_000
_SECRET = re.compile(r"(?im)^(\s*\w*(?:secret|password|token|access_key)\w*\s*[=:][ \t]*)\S.*$")

#: What a wrong or missing value of a tier counts as while the rest is checked: plenty, so that one
#: mistake is not reported twice.
_PLENTY: dict[str, Value] = {"nodes": 1, "cores": 4096.0, "memory": 64 * 1024**2}


@dataclass(frozen=True)
class Config:
    """What a config file says, checked.

    Attributes:
        path: the file.
        text: its content, as it is.
        infrastructure: section ``[infrastructure]``, without tiers and links.
        benchmark: section ``[benchmark]``, the application's and the resource manager's keys included.
        execution_model: section ``[execution_model]``.
        run: section ``[run]``.
        tiers: keys of each tier by its name, whichever way they were written: cloud, edge, endpoint,
            then the user's own. A tier may have no nodes.
        links: keys of each link that was described, by ``a-b`` (both ways) or ``a->b``.
        warnings: what the user should know.
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

    @property
    def keep(self) -> str:
        """When to leave the nodes running at the end: ``never``, ``on-failure`` or ``always``."""
        return self.run.text("keep")

    @property
    def tolerance(self) -> Tolerance:
        """How far a measured link may be from the configured one."""
        value = self.run.values["tolerance"]
        return value if isinstance(value, Tolerance) else Tolerance()

    @property
    def public_text(self) -> str:
        """The file's content with passwords, tokens and secret keys blotted out."""
        return _SECRET.sub(r"\1***", self.text)

    def resolved(self) -> dict[str, dict[str, Any]]:
        """Every value by section and key, defaults included, as plain JSON."""
        sections = (self.infrastructure, self.benchmark, self.execution_model, self.run)
        all_sections = (*sections, *self.tiers.values(), *self.links.values())
        return {
            section.name: {key: _plain(value) for key, value in section.values.items()}
            for section in all_sections
        }


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


def _plain(value: Value) -> Any:
    if isinstance(value, Tolerance):
        return asdict(value)
    if isinstance(value, tuple):
        return list(value)
    return "unlimited" if value == math.inf else value
