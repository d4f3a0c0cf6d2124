"""The second address of guests that are to have one."""

from __future__ import annotations

import json

from continuum.model.topology import NodeSpec
from infrastructure.qemu import guest_links, seed
from infrastructure.qemu.seed import Identity

SPECS = tuple(NodeSpec(f"cloud{n}", "cloud", n, 1, 512, is_managed=n > 0) for n in range(3))
ADDRESSES = {spec.name: f"192.168.100.{n + 2}" for n, spec in enumerate(SPECS)}


def test_only_guests_that_are_to_have_one_have_one() -> None:
    both = (
        guest_links.bridged(SPECS, "run", ADDRESSES, ""),
        guest_links.switched(SPECS, "run", ADDRESSES, apart=False, nat=False),
    )
    for connected in both:
        assert [one.cards[0].further for one in connected.values()] == [
            (),
            ("10.78.0.2/16",),
            ("10.78.0.3/16",),
        ]


def test_both_kinds_of_images_are_told_of_it() -> None:
    cards = guest_links.bridged(SPECS, "run", ADDRESSES, "")["cloud1"].cards
    told = seed.files(Identity("cloud1", "run", cards, ADDRESSES, "key", "host key", "public"))
    assert (
        "ip address add 192.168.100.3/24 dev eth0\nip address add 10.78.0.2/16 dev eth0\n"
        in told[seed.recipe.SCRIPT]
    )
    cards_told = json.loads(told["network-config"])["ethernets"]
    assert cards_told["eth0"]["addresses"] == ["192.168.100.3/24", "10.78.0.2/16"]
