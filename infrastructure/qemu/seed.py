"""The configuration of a guest: the files of its seed, and the disk with these files.

The disk is a NoCloud seed, which cloud-init reads. It also has a shell script, which Continuum's own image
runs instead: it has no cloud-init, which takes seconds.
"""

from __future__ import annotations

import io
import json
import shlex
from collections.abc import Mapping
from dataclasses import dataclass

from infrastructure.qemu import recipe


@dataclass(frozen=True)
class Card:
    """One network interface of a guest.

    Attributes:
        mac: its hardware address.
        address: IPv4 address with prefix length; empty for DHCP.
        gateway: default gateway; empty for none.
        resolver: name server; empty for none.
        mtu_bytes: maximum transmission unit; 0 for the default.
        further: further addresses with prefix length.
    """

    mac: str
    address: str
    gateway: str = ""
    resolver: str = ""
    mtu_bytes: int = 0
    further: tuple[str, ...] = ()


@dataclass(frozen=True)
class Identity:
    """Identity of a guest.

    Attributes:
        name: the node's name.
        run_id: its run.
        cards: its interfaces, in the order of their PCI slots.
        names: address of every node of the run, by name.
        public_key: public key that may log in as root.
        host_key: private host key of its ssh daemon.
        host_public_key: the public host key.
    """

    name: str
    run_id: str
    cards: tuple[Card, ...]
    names: Mapping[str, str]
    public_key: str
    host_key: str
    host_public_key: str


_STEADY_CLOCK = "echo hpet > /sys/devices/system/clocksource/clocksource0/current_clocksource || true"
"""Clock source for images of others; Continuum's own image has it on its kernel command line."""


def files(identity: Identity, *, is_emulated: bool = False) -> dict[str, str]:
    """The seed's files, by name.

    Args:
        identity: the guest.
        is_emulated: whether it is TCG-emulated, so that it needs another clock source.
    """
    return {
        "meta-data": json.dumps(
            {"instance-id": f"{identity.run_id}-{identity.name}", "local-hostname": identity.name}
        ),
        "user-data": "#cloud-config\n" + json.dumps(_cloud_config(identity, is_emulated), indent=1) + "\n",
        "network-config": json.dumps(_network_config(identity), indent=1) + "\n",
        recipe.SCRIPT: _script(identity),
    }


def _hosts(identity: Identity) -> str:
    lines = ["127.0.0.1 localhost", "::1 localhost"]
    lines += [f"{address} {name}" for name, address in identity.names.items()]
    return "\n".join(lines) + "\n"


def _cloud_config(identity: Identity, is_emulated: bool) -> dict[str, object]:
    """``user-data`` of cloud-init; JSON is valid YAML."""
    return {
        **({"bootcmd": [_STEADY_CLOCK]} if is_emulated else {}),
        "hostname": identity.name,
        "manage_etc_hosts": False,
        "disable_root": False,
        "ssh_pwauth": False,
        "users": [{"name": "root", "lock_passwd": True, "ssh_authorized_keys": [identity.public_key]}],
        "ssh_deletekeys": True,
        "ssh_keys": {"ed25519_private": identity.host_key, "ed25519_public": identity.host_public_key},
        "write_files": [
            {"path": "/etc/hosts", "content": _hosts(identity)},
            {"path": "/etc/ssh/sshd_config.d/continuum.conf", "content": "MaxSessions 500\nUseDNS no\n"},
        ],
        "locale": False,  # keep the image's: generating one takes long, and not every image can
        "package_update": False,
        "package_upgrade": False,
    }


def _network_config(identity: Identity) -> dict[str, object]:
    """Network configuration of cloud-init, version 2."""
    cards: dict[str, object] = {}
    for number, card in enumerate(identity.cards):
        described: dict[str, object] = {"match": {"macaddress": card.mac}, "set-name": f"eth{number}"}
        if card.address:
            described |= {"dhcp4": False, "addresses": [card.address, *card.further]}
        else:
            described["dhcp4"] = True
        if card.gateway:
            described["gateway4"] = card.gateway
        if card.resolver:
            described["nameservers"] = {"addresses": [card.resolver]}
        if card.mtu_bytes:
            described["mtu"] = card.mtu_bytes
        cards[f"eth{number}"] = described
    return {"version": 2, "ethernets": cards}


def _script(identity: Identity) -> str:
    """The script that Continuum's own image runs before its network is up."""
    lines = [
        f"echo {identity.name} > /etc/hostname",
        f"hostname {identity.name} 2>/dev/null || echo {identity.name} > /proc/sys/kernel/hostname",
        *_written("/etc/hosts", _hosts(identity), "644"),
        "mkdir -p -m 700 /root/.ssh",
        *_written("/root/.ssh/authorized_keys", identity.public_key + "\n", "600"),
        *_written("/etc/ssh/ssh_host_ed25519_key", identity.host_key, "600"),
        *_written("/etc/ssh/ssh_host_ed25519_key.pub", identity.host_public_key + "\n", "644"),
        "ip link set lo up",
    ]
    for number, card in enumerate(
        identity.cards
    ):  # first to temporary names, since the final ones may be in use
        lines += [*_wait_for(card.mac), f'ip link set "$dev" name card{number}']
    for number, card in enumerate(identity.cards):
        lines += _configured(f"card{number}", f"eth{number}", card)
    return "\n".join(lines) + "\n"


def _written(path: str, text: str, mode: str) -> list[str]:
    return [f"(umask 077; printf %s {shlex.quote(text)} > {path})", f"chmod {mode} {path}"]


def _wait_for(mac: str) -> list[str]:
    """Wait for the interface, since udev loads its driver asynchronously."""
    return [
        f"for i in $(seq 300); do grep -qs {mac} /sys/class/net/*/address && break; sleep 0.1; done",
        f'dev=$(basename "$(dirname "$(grep -l {mac} /sys/class/net/*/address)")")',
    ]


def _configured(found: str, name: str, card: Card) -> list[str]:
    lines = [
        f"ip link set {found} name {name}",
        f"ip link set {name} up" + (f" mtu {card.mtu_bytes}" if card.mtu_bytes else ""),
        *(f"ip address add {address} dev {name}" for address in (card.address, *card.further)),
    ]
    if card.gateway:
        lines.append(f"ip route add default via {card.gateway}")
    if card.resolver:
        lines += _written("/etc/resolv.conf", f"nameserver {card.resolver}\n", "644")
    return lines


def disk(contents: Mapping[str, str]) -> bytes:
    """An ISO 9660 image (with Joliet and Rock Ridge names) of files, with the label that NoCloud requires."""
    import pycdlib

    iso = pycdlib.PyCdlib()
    iso.new(interchange_level=3, vol_ident=recipe.LABEL, joliet=3, rock_ridge="1.09")
    for number, (name, text) in enumerate(contents.items()):
        data = text.encode("utf-8")
        iso.add_fp(
            io.BytesIO(data),
            len(data),
            f"/FILE{number}.;1",
            rr_name=name,
            joliet_path=f"/{name}",
            file_mode=0o100400,
        )
    image = io.BytesIO()
    iso.write_fp(image)
    iso.close()
    return image.getvalue()
