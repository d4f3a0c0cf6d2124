"""Which option each entry of a config file belongs to, and what to say about one that has none.

Several spellings can stand for one value: ``cloud_nodes`` in ``[infrastructure]`` and ``nodes`` in
``[tier cloud]``, or ``[link edge-cloud]`` and ``[link cloud-edge]``. Here every entry gets its one
place, a section and a key, and two entries in one place are a problem.
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
class Places:
    """Where every entry belongs.

    Attributes:
        entries: the entry of every key that is given, by section and key.
        lines: line of the header of every section that has one, by the section's one name.
        problems: entries and sections without a place.
        strange: whether there are sections without a place.
    """

    entries: dict[str, dict[str, tuple[Entry, Option]]] = field(default_factory=dict)
    lines: dict[str, int] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    strange: bool = False


def place(document: Document, file: str, options: Options, *, complete: bool = True) -> Places:
    """Find the place of every entry.

    Args:
        document: the config file.
        file: its name, for problems.
        options: options of the core and of the modules in use.
        complete: False when a module that the config names is missing, so that keys which resemble
            none may be its own.
    """
    places = Places()
    homes = {name: _home(name, line, document, file, places) for name, line in document.sections.items()}
    for entry in document.entries:
        home = homes[entry.section]
        if home is None:
            continue
        found = _find(home, entry.key.lower(), options)
        if found is None:
            places.problems.append(_unknown_key(home, entry, file, options, complete))
        elif entry.value:
            _put(places, entry, *found, file)
    return places


def _home(name: str, line: int, document: Document, file: str, places: Places) -> str | None:
    """The one name of a section; None, and a problem, when it cannot be understood."""
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
        places.strange = True
        if name:
            places.problems.append(Problem(str(error), file, line, name))
        return None
    places.lines.setdefault(home, line)
    return home


def _tier_name(name: str) -> str:
    if not name:
        raise ValueError("a tier without a name; write e.g. [tier fog]")
    if not _TIER_NAME.fullmatch(name) or len(name) > 32:
        raise ValueError(
            f'"{name}" cannot name a tier: letters and digits only, a letter first and last (its nodes '
            f"are numbered behind the name), at most 32"
        )
    return name


def _known_tiers(document: Document) -> tuple[str, ...]:
    named = (name.removeprefix("tier ") for name in document.sections if name.startswith("tier "))
    return tuple(dict.fromkeys((*BUILTIN_TIERS, *named)))


def link_name(text: str, tiers: tuple[str, ...]) -> str:
    """The one name of a link: ``a->b``, or for both ways ``a-b`` in the tiers' order.

    Raises:
        ValueError: it is no link between two of ``tiers``.
    """
    arrow = "->" if "->" in text else "-"
    ends = [end.strip() for end in text.split(arrow)]
    if len(ends) != 2 or not all(ends):
        raise ValueError("not a link; write [link A-B] for both ways or [link A->B] for one")
    for end in ends:
        if end not in tiers:
            near = nearest(end, tiers)
            hint = f"did you mean {near}?" if near else f"there are: {', '.join(tiers)}"
            raise ValueError(f'no tier "{end}"; {hint}')
    if arrow == "-":
        ends.sort(key=tiers.index)
    return arrow.join(ends)


def _find(home: str, key: str, options: Options) -> tuple[str, str, Option] | None:
    """The section, key and option of a key; None when there is none."""
    if home == "infrastructure" and key in FLAT:
        section, option = FLAT[key]
        return section, option.key, option
    kind = home.partition(" ")[0]
    option_of = {"tier": _TIER_OPTIONS, "link": _LINK_OPTIONS}.get(kind)
    found = option_of.get(key) if option_of else options.get((home, key))
    return None if found is None else (home, key, found)


def _put(places: Places, entry: Entry, section: str, key: str, option: Option, file: str) -> None:
    taken = places.entries.setdefault(section, {})
    if key in taken:
        first = taken[key][0]
        message = f"given on line {first.line} already, as [{first.section}] {first.key}; keep one"
        places.problems.append(Problem(message, file, entry.line, entry.section, entry.key, entry.value))
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
        message = f"belongs to {owner}, not in use; ignored"
        return Problem(message, file, entry.line, entry.section, entry.key, severity="warning")
    remedy = _remedy(home, key, options)
    if remedy == _UNKNOWN and section and not complete:
        message = "unknown key, unless a missing module's; ignored"
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
            return f"unknown key; a tier of your own is a section: [tier {own_tier}]"
        known = tuple(name for section, name in options if section == home)
        known = (*known, *FLAT) if home == "infrastructure" else known
    near = nearest(key, known)
    if near:
        return f"unknown key; did you mean {near}?"
    return f"unknown key; there are: {', '.join(known)}" if len(known) < 10 else _UNKNOWN


def _own_tier(key: str) -> str | None:
    """The tier of a flat key such as ``fog_nodes``, unless it is a slip of a built-in tier's."""
    tier, _, rest = key.partition("_")
    if rest in _TIER_OPTIONS and _TIER_NAME.fullmatch(tier) and not nearest(tier, BUILTIN_TIERS):
        return tier
    return None


def _owner_not_in_use(section: str, key: str) -> str | None:
    """Who reads a key that neither the core nor a module in use knows."""
    for kind, name, module in registry.all_modules():
        if any(option.name == (section, key) for option in module.options):
            return f"{kind.replace('_', ' ')} {name}"
    for where, pattern, owner in FOREIGN_KEYS:
        if where == section and fnmatchcase(key, pattern):
            return owner
    return None


def options_in_use(modules: Iterable[Module]) -> dict[tuple[str, str], Option]:
    """The core's options and those of some modules; a module may refine an option of the core."""
    return {**CORE, **{option.name: option for module in modules for option in module.options}}
