"""Writes the configuration reference from the options: ``python -m continuum.config.reference``.

``docs/configuration.md`` is this program's output, and a test keeps it so. Keys of modules are not
in it: each module's README documents its own, so a new module changes no file but its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from continuum.config.core_options import (
    BENCHMARK,
    EXECUTION_MODEL,
    FLAT_LINK_KEYS,
    FLAT_LINKS,
    FOREIGN_KEYS,
    INFRASTRUCTURE,
    LINK,
    RUN,
    TIER,
)
from continuum.config.link_presets import PRESETS, WIRED
from continuum.options import Option, units

_INTRODUCTION = """\
# Configuration reference

Written by `python -m continuum.config.reference > docs/configuration.md`; do not edit.

A config is one small text file. This is a whole one:

```ini
[infrastructure]
provider = local
cloud_nodes = 1
cloud_cores = 2
cloud_memory = 4 GB
endpoint_nodes = 2
endpoint_cores = 1
endpoint_memory = 512 MiB
network_emulation = True
wireless_network_preset = 4g

[benchmark]
application = video
```

- `#` and `;` start a comment, at the start of a line, after a blank, or directly behind a number. A value may
  be quoted, and a comment sign inside the quotes belongs to it.
- Keys and section names may be written in any case. A key without a value is as good as not given.
- All problems are reported at once, each in one line with its file, line and remedy; nothing is created then.
- Keys of modules (providers, resource managers, applications) are in the module's own `README.md`;
  `continuum modules --options` lists them all. A key of a module that is not in use is a warning.
- Relative paths start from the config file's folder, `~` is your home.
"""

_UNITS_HEAD = """\
## Units

Units may be written in any case; only a capital `B` (bytes) is refused where bits belong. Memory counts in
powers of 1024 whatever the spelling: 1 GB is 1024 MiB, as for virtual machines. Bits and disk rates count in
powers of 1000.

| quantity | a bare number is | units | example |
|---|---|---|---|
"""

_TIERS = """\
## Tiers

Three tiers have names: `cloud`, `edge` and `endpoint`. Their keys stand in `[infrastructure]` with the
tier's name in front (`cloud_nodes = 2`), or in a section of their own (`[tier cloud]`, `nodes = 2`), but no
value may be given both ways. Any other tier is a section: `[tier fog]`. A tier's name is made of letters and
digits with a letter first and last; its nodes are `fog0`, `fog1` and so on.

A tier with nodes must have cores and memory.
"""

_LINKS = """\
## Links

`[link A-B]` describes the link between the nodes of two tiers in both directions, `[link A->B]` in one
direction, where it refines `[link A-B]` key by key. `[link A-A]` is the link between the nodes of one tier.
Delays are one-way: the round trip is the sum of both directions. Jitter is the standard deviation of a
normal distribution truncated at 0, and packets of one flow keep their order.

A `[link ...]` section switches network emulation on; together with `network_emulation = False` it is an
error. What it does not give keeps its default.
"""

_DEFAULTS = """\
### Default links

These hold when emulation is on and nothing else is said. A link of a tier you named yourself is a plain wire.

| between | latency | jitter | bandwidth |
|---|---|---|---|
"""

_PRESET_HEAD = """\
### Wireless presets

`wireless_network_preset` says how endpoints reach the rest. Between two endpoints the preset's figures to the
edge hold, at its upload rate: what a peer sends has passed its uplink. Presets without a figure of their own
for the cloud add the wired default between edge and cloud.

| preset | endpoint-edge | endpoint-cloud | from / to the endpoint | source |
|---|---|---|---|---|
"""

_BENCHMARK_HEAD = """\
## [benchmark]

Not needed with `infra_only = True`. The selected application's own keys stand here, too.
"""

_FOREIGN_HEAD = """\
## Keys of other modules

Config files of the Continuum framework may hold these keys. No module here reads them; they are accepted with
a warning, and a module that declares one of them takes it over.

| section | key | belongs to |
|---|---|---|
"""


def reference() -> str:
    """The whole reference, as Markdown."""
    flat = (
        f"The same in `[infrastructure]`: {', '.join(f'`{key}_*`' for key in FLAT_LINKS)}, with "
        + ", ".join(f"`{flat}` for {key}" for flat, key in FLAT_LINK_KEYS.items())
        + " (`cloud_edge_latency_avg = 7.5`).\n"
    )
    parts = (
        _INTRODUCTION,
        _units(),
        "## [infrastructure]\n",
        _table(INFRASTRUCTURE),
        _TIERS,
        _table(TIER),
        _LINKS,
        _table(LINK, default="default link's"),
        flat,
        _DEFAULTS + "".join(f"{line}\n" for line in _wired()),
        _PRESET_HEAD + "".join(f"{line}\n" for line in _presets()),
        _BENCHMARK_HEAD,
        _table(BENCHMARK),
        "## [execution_model]\n",
        _table(EXECUTION_MODEL),
        "## [run]\n",
        _table(RUN),
        _FOREIGN_HEAD
        + "".join(f"| `[{where}]` | `{key}` | {owner} |\n" for where, key, owner in FOREIGN_KEYS),
    )
    return "\n".join(parts)


def _units() -> str:
    scales = (
        units.MEMORY,
        units.LATENCY,
        units.DURATION,
        units.THROUGHPUT,
        units.DISK_RATE,
        units.CORES,
        units.PERCENT,
    )
    rows = (
        f"| {scale.noun.partition(' ')[2]} | {scale.bare} | "
        f"{', '.join(f'`{unit}`' for unit in scale.factors)} | `{scale.example}` |\n"
        for scale in scales
    )
    return _UNITS_HEAD + "".join(rows)


def _table(options: Iterable[Option], default: str = "") -> str:
    rows = (
        f"| `{option.key}` | {option.kind.describe()} | {option.describe_default() or default} | "
        f"{option.help}{_note(option)} |\n"
        for option in options
    )
    return "| key | value | default | what it is |\n|---|---|---|---|\n" + "".join(rows)


def _note(option: Option) -> str:
    return " Has an effect only with modules that read it." if option.needs_reader else ""


def _wired() -> Iterator[str]:
    for (src, dst), link in WIRED.items():
        if src <= dst:
            delay = f"{link.latency_ms:g} ms | {link.jitter_ms:g} ms"
            yield f"| {src}-{dst} | {delay} | {link.bandwidth_mbit:g} Mbit/s |"


def _presets() -> Iterator[str]:
    for preset in PRESETS.values():
        yield (
            f"| `{preset.name}` | {preset.edge_ms:g} +- {preset.edge_jitter_ms:g} ms "
            f"| {preset.cloud_ms:g} +- {preset.cloud_jitter_ms:g} ms "
            f"| {preset.up_mbit:g} / {preset.down_mbit:g} Mbit/s | {preset.source} |"
        )


if __name__ == "__main__":
    print(reference(), end="")
