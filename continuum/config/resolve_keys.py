"""Assigns each entry of a config file to an option, and explains entries that belong to none.

A value can have several spellings: ``cloud_nodes`` in ``[infrastructure]`` and ``nodes`` in
``[tier cloud]``, or ``[link edge-cloud]`` and ``[link cloud-edge]``. Each entry is resolved to one section
and key; two entries that resolve to the same one are a problem.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

from continuum.config.core_options import CORE, FLAT, FOREIGN_KEYS, LINK, TIER
from continuum.config.ini import Document
from continuum.config.link_presets import BUILTIN_TIERS
from continuum.errors import Problem
from continuum.model.link_names import LinkName
from continuum.model.section import Entry
from continuum.modules import registry
from continuum.modules.base import Module
from continuum.options import Option, nearest

Options = Mapping[tuple[str, str], Option]

PLAIN_SECTIONS = ("infrastructure", "benchmark", "execution_model", "run")
_TIER_OPTIONS = {option.key: option for option in TIER}
_LINK_OPTIONS = {option.key: option for option in LINK}
_UNKNOWN = "unknown key; docs/configuration.md lists all"
_TIER_NAME = re.compile(r"[a-z]([a-z0-9]*[a-z])?")


@dataclass
class ResolvedKeys:
    """The entries of a config file by their resolved section and key.

    Attributes:
        entries: entry and option of every given key, by section and key.
        lines: line of each section header, by the resolved name of the section.
        problems: entries and sections that cannot be resolved.
        has_unknown_sections: whether sections could not be resolved.
    """

    entries: dict[str, dict[str, tuple[Entry, Option]]] = field(default_factory=dict)
    lines: dict[str, int] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    has_unknown_sections: bool = False


def resolve(document: Document, file: str, options: Options, *, complete: bool = True) -> ResolvedKeys:
    """Resolve every entry.

    Args:
        document: the config file.
        file: its name, for messages.
        options: options of the core and of the modules in use.
        complete: False if a module that the config names does not exist. Unknown keys may then belong to that
            module, so they are only a warning.
    """
    resolved = ResolvedKeys()
    homes = {name: _home(name, line, document, file, resolved) for name, line in document.sections.items()}
    for entry in document.entries:
        home = homes[entry.section]
        if home is None:
            continue
        found = _find(home, entry.key.lower(), options)
        if found is None:
            resolved.problems.append(_unknown_key(home, entry, file, options, complete))
        elif entry.value:
            _put(resolved, entry, *found, file)
    return resolved


def _home(name: str, line: int, document: Document, file: str, resolved: ResolvedKeys) -> str | None:
    """The resolved name of a section; None, with a problem added, if it cannot be resolved."""
    word, _, rest = name.partition(" ")
    try:
        if name in PLAIN_SECTIONS:
            home = name
        elif word == "tier":
            home = f"tier {_tier_name(rest)}"
        elif word == "link":
            home = f"link {link_name(rest, _known_tiers(document))}"
        else:
            raise ValueError(_unknown_section(name))
    except ValueError as error:
        resolved.has_unknown_sections = True
        if name:
            resolved.problems.append(Problem(str(error), file, line, name))
        return None
    resolved.lines.setdefault(home, line)
    return home


def _tier_name(name: str) -> str:
    if not name:
        raise ValueError("the tier has no name; write e.g. [tier fog]")
    if not _TIER_NAME.fullmatch(name) or len(name) > 32:
        raise ValueError(
            f'"{name}" is not a valid tier name: use letters and digits, starting and ending with '
            f"a letter (nodes are numbered after the name), at most 32 characters"
        )
    return name


def _known_tiers(document: Document) -> tuple[str, ...]:
    named = (name.removeprefix("tier ") for name in document.sections if name.startswith("tier "))
    return tuple(dict.fromkeys((*BUILTIN_TIERS, *named)))


def link_name(text: str, tiers: tuple[str, ...]) -> str:
    """The resolved name of a link: ``a->b``, or ``a-b`` in tier order for both directions.

    Raises:
        ValueError: the text does not name two of ``tiers``.
    """
    link = LinkName.parse(text)
    for end in link.ends:
        if end not in tiers:
            near = nearest(end, tiers)
            hint = f"did you mean {near}?" if near else f"there are: {', '.join(tiers)}"
            raise ValueError(f'no tier "{end}"; {hint}')
    if link.both:
        first, second = sorted(link.ends, key=tiers.index)
        link = LinkName(first, second, both=True)
    return str(link)


def _find(home: str, key: str, options: Options) -> tuple[str, str, Option] | None:
    """Section, key and option that a key resolves to; None if unknown."""
    if home == "infrastructure" and key in FLAT:
        section, option = FLAT[key]
        return section, option.key, option
    kind = home.partition(" ")[0]
    option_of = {"tier": _TIER_OPTIONS, "link": _LINK_OPTIONS}.get(kind)
    found = option_of.get(key) if option_of else options.get((home, key))
    return None if found is None else (home, key, found)


def _put(resolved: ResolvedKeys, entry: Entry, section: str, key: str, option: Option, file: str) -> None:
    taken = resolved.entries.setdefault(section, {})
    if key in taken:
        first = taken[key][0]
        message = f"already given on line {first.line}, as [{first.section}] {first.key}; keep one"
        resolved.problems.append(Problem(message, file, entry.line, entry.section, entry.key, entry.value))
        return
    taken[key] = entry, option


def _unknown_section(name: str) -> str:
    near = nearest(name, PLAIN_SECTIONS)
    if near:
        return f"unknown section; did you mean [{near}]?"
    known = ", ".join(f"[{section}]" for section in PLAIN_SECTIONS)
    return f"unknown section; there are: {known}, [tier NAME], [link A-B]"


def _unknown_key(home: str, entry: Entry, file: str, options: Options, complete: bool) -> Problem:
    """A warning for a key of a module that is not in use, an error for any other."""
    key, section = entry.key.lower(), home in PLAIN_SECTIONS
    owner = _owner_not_in_use(home, key) if section else None
    if owner:
        message = f"belongs to {owner}, which is not in use; ignored"
        return Problem(message, file, entry.line, entry.section, entry.key, severity="warning")
    remedy = _remedy(home, key, options)
    if remedy == _UNKNOWN and section and not complete:
        message = "unknown key, unless it belongs to the missing module; ignored"
        return Problem(message, file, entry.line, entry.section, entry.key, severity="warning")
    return Problem(remedy, file, entry.line, entry.section, entry.key)


def _remedy(home: str, key: str, options: Options) -> str:
    if home.startswith("tier "):
        known: tuple[str, ...] = tuple(_TIER_OPTIONS)
    elif home.startswith("link "):
        known = tuple(_LINK_OPTIONS)
    else:
        other = [section for section in PLAIN_SECTIONS if _find(section, key, options)]
        if other:
            return f"belongs in [{other[0]}]"
        own_tier = _own_tier(key) if home == "infrastructure" else None
        if own_tier:
            return f"unknown key; declare your own tier in a section [tier {own_tier}]"
        known = tuple(name for section, name in options if section == home)
        known = (*known, *FLAT) if home == "infrastructure" else known
    near = nearest(key, known)
    if near:
        return f"unknown key; did you mean {near}?"
    return f"unknown key; there are: {', '.join(known)}" if len(known) < 10 else _UNKNOWN


def _own_tier(key: str) -> str | None:
    """The tier of a flat key such as ``fog_nodes``, unless it looks like a typo of a built-in tier."""
    tier, _, rest = key.partition("_")
    if rest in _TIER_OPTIONS and _TIER_NAME.fullmatch(tier) and not nearest(tier, BUILTIN_TIERS):
        return tier
    return None


def _owner_not_in_use(section: str, key: str) -> str | None:
    """The module that reads a key which neither the core nor a module in use declares; None if none does."""
    for kind, name, module in registry.all_modules():
        if any(option.name == (section, key) for option in module.options):
            return f"{kind.replace('_', ' ')} {name}"
    for where, pattern, owner in FOREIGN_KEYS:
        if where == section and fnmatchcase(key, pattern):
            return owner
    return None


def options_in_use(modules: Iterable[Module]) -> dict[tuple[str, str], Option]:
    """Options of the core and of modules by section and key; a module may override one of the core."""
    return {**CORE, **{option.name: option for module in modules for option in module.options}}
