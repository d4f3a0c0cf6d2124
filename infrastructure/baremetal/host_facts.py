"""Facts about a host, from a script that changes nothing, and what the host is missing to be a node."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from continuum.model.topology import NodeSpec

SCRIPT = r"""
PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin"
echo "uid=$(id -u)"
sudo -n true 2>/dev/null && echo sudo=yes
for name in python3 ip tc tar unshare mktemp; do
    command -v "$name" >/dev/null 2>&1 && echo "has_$name=yes"
done
python3 -c 'import sys; print("python=%d.%d" % sys.version_info[:2])' 2>/dev/null
echo "cores=$(getconf _NPROCESSORS_ONLN)"
awk '/^MemTotal:/ {print "memory_mb=" int($2 / 1024)}' /proc/meminfo
for part in sch_htb sch_netem cls_u32 act_police; do
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
_PARTS = ("sch_htb", "sch_netem", "cls_u32", "act_police")
_LEAST_PYTHON = (3, 7)
_MEMORY_SHARE = 0.9
"""The kernel reports a little less than the memory that is installed."""


@dataclass(frozen=True)
class Facts:
    """Facts about one host.

    Attributes:
        values: the facts as text, by name.
    """

    values: Mapping[str, str]

    @property
    def is_root(self) -> bool:
        """Whether the account is root."""
        return self.values.get("uid") == "0"

    @property
    def has_sudo(self) -> bool:
        """Whether sudo works without a password."""
        return self.values.get("sudo") == "yes"

    def has(self, name: str) -> bool:
        """Whether a program or a kernel module is available."""
        return self.values.get(f"has_{name}") == "yes"


def parse(text: str) -> Facts:
    """The facts from the output of the script; other lines are ignored."""
    pairs = (line.partition("=") for line in text.splitlines() if "=" in line)
    return Facts({name.strip(): value.strip() for name, _, value in pairs})


def shortcomings(facts: Facts, spec: NodeSpec, *, emulated: bool) -> Iterator[str]:
    """What a host is missing to be a node, each with its remedy."""
    if facts.values.get("kernel") != "Linux":
        yield f"runs {facts.values.get('kernel') or 'something else'}, not Linux"
        return
    if not facts.is_root and not facts.has_sudo:
        yield "is not accessed as root, and sudo asks for a password; log in as root, or use NOPASSWD there"
    missing = [name for name in _PACKAGES if not facts.has(name)]
    if missing:
        packages = " ".join(dict.fromkeys(_PACKAGES[name] for name in missing))
        yield f"is missing {', '.join(missing)}; run there: sudo apt-get install {packages}"
    version = tuple(int(part) for part in facts.values.get("python", "").split(".") if part.isdigit())
    if version and version < _LEAST_PYTHON:
        yield f"has Python {facts.values['python']}; install 3.7 or newer"
    parts = [name for name in _PARTS if not facts.has(name)]
    if emulated and parts:
        yield (
            f"has a kernel without {', '.join(parts)}, so its links cannot be emulated;"
            " install a kernel that has them, or set network_emulation = False"
        )
    yield from _too_small(facts, spec)


def _too_small(facts: Facts, spec: NodeSpec) -> Iterator[str]:
    cores, memory_mb = facts.values.get("cores", ""), facts.values.get("memory_mb", "")
    if cores.isdigit() and int(cores) < spec.cores:
        yield f"has {cores} cores, and {spec.tier}_cores is {spec.cores:g}; set that to what the host has"
    if memory_mb.isdigit() and int(memory_mb) < spec.memory_mb * _MEMORY_SHARE:
        said = f"{spec.tier}_memory is {spec.memory_mb} MiB"
        yield f"has {memory_mb} MiB of memory, and {said}; set that to what the host has"
