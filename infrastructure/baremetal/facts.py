"""What a host has: one question, answered in lines, and what it lacks for a run; the question only reads."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from continuum.model.topology import NodeSpec

QUESTION = r"""
PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin"
echo "uid=$(id -u)"
sudo -n true 2>/dev/null && echo sudo=yes
for name in python3 ip tc tar unshare mktemp; do
    command -v "$name" >/dev/null 2>&1 && echo "has_$name=yes"
done
python3 -c 'import sys; print("python=%d.%d" % sys.version_info[:2])' 2>/dev/null
echo "cores=$(getconf _NPROCESSORS_ONLN)"
awk '/^MemTotal:/ {print "memory_mb=" int($2 / 1024)}' /proc/meminfo
for part in sch_htb sch_netem cls_u32; do
    if [ -d "/sys/module/$part" ] || modprobe -n -q "$part" 2>/dev/null; then echo "has_$part=yes"; fi
done
echo "kernel=$(uname -s)"
"""

_PACKAGES = {
    "python3": "python3",
    "ip": "iproute2",
    "tc": "iproute2",
    "tar": "tar",
    "unshare": "util-linux",
    "mktemp": "coreutils",
}
_PARTS = ("sch_htb", "sch_netem", "cls_u32")
_LEAST_PYTHON = (3, 7)
_MEMORY_SHARE = 0.9
"""A machine sold with so much memory shows a little less."""


@dataclass(frozen=True)
class Facts:
    """The answer of one host.

    Attributes:
        values: by name.
    """

    values: Mapping[str, str]

    @property
    def is_root(self) -> bool:
        """Whether we log in as root."""
        return self.values.get("uid") == "0"

    @property
    def has_sudo(self) -> bool:
        """Whether sudo asks for no password."""
        return self.values.get("sudo") == "yes"

    def has(self, name: str) -> bool:
        """Whether a program or a part of the kernel is there."""
        return self.values.get(f"has_{name}") == "yes"


def parse(text: str) -> Facts:
    """Read the answer; lines that are none are left out."""
    pairs = (line.partition("=") for line in text.splitlines() if "=" in line)
    return Facts({name.strip(): value.strip() for name, _, value in pairs})


def lacks(facts: Facts, spec: NodeSpec, *, emulated: bool) -> Iterator[str]:
    """What a host lacks to be a node, each with its remedy."""
    if facts.values.get("kernel") != "Linux":
        yield f"runs {facts.values.get('kernel') or 'something else'}, not Linux"
        return
    if not facts.is_root and not facts.has_sudo:
        yield "is not entered as root, and sudo asks for a password; log in as root, or use NOPASSWD there"
    missing = [name for name in _PACKAGES if not facts.has(name)]
    if missing:
        packages = " ".join(dict.fromkeys(_PACKAGES[name] for name in missing))
        yield f"has no {', '.join(missing)}; run there: sudo apt-get install {packages}"
    version = tuple(int(part) for part in facts.values.get("python", "").split(".") if part.isdigit())
    if version and version < _LEAST_PYTHON:
        yield f"has Python {facts.values['python']}; it takes 3.7"
    parts = [name for name in _PARTS if not facts.has(name)]
    if emulated and parts:
        yield (
            f"has a kernel without {', '.join(parts)}, so that its links cannot be emulated;"
            " install a kernel that has them, or set network_emulation = False"
        )
    yield from _too_small(facts, spec)


def _too_small(facts: Facts, spec: NodeSpec) -> Iterator[str]:
    cores, memory_mb = facts.values.get("cores", ""), facts.values.get("memory_mb", "")
    if cores.isdigit() and int(cores) < spec.cores:
        yield f"has {cores} cores, and {spec.tier}_cores says {spec.cores:g}; write what it has"
    if memory_mb.isdigit() and int(memory_mb) < spec.memory_mb * _MEMORY_SHARE:
        said = f"{spec.tier}_memory says {spec.memory_mb} MiB"
        yield f"has {memory_mb} MiB of memory, and {said}; write what it has"
