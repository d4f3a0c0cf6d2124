"""Capabilities of Linux: which ones programs on nodes keep, and how a process gives the others up.

Imports little, since it is loaded by programs that are started often.
"""

from __future__ import annotations

import ctypes
import os
import struct
from collections.abc import Collection, Iterable

NUMBERS = {
    "CHOWN": 0,
    "DAC_OVERRIDE": 1,
    "FOWNER": 3,
    "FSETID": 4,
    "KILL": 5,
    "SETGID": 6,
    "SETUID": 7,
    "SETPCAP": 8,
    "NET_BIND_SERVICE": 10,
    "NET_ADMIN": 12,
    "NET_RAW": 13,
    "SYS_CHROOT": 18,
    "AUDIT_WRITE": 29,
    "SETFCAP": 31,
}
"""Numbers in ``linux/capability.h`` of the capabilities that a node can have without having all."""

DEFAULT = tuple(name for name in NUMBERS if name != "NET_ADMIN")
"""What a program on a node keeps: the default of container engines without MKNOD."""

_PR_CAPBSET_DROP = 24
_VERSION_3 = 0x20080522
_LAST_FILE = "/proc/sys/kernel/cap_last_cap"
_LAST_IF_UNKNOWN = 40

_libc = ctypes.PyDLL(None, use_errno=True)


def last() -> int:
    """The greatest number of a capability that this kernel knows."""
    try:
        with open(_LAST_FILE, encoding="ascii") as file:  # noqa: PTH123 - pathlib takes long to load
            return int(file.read())
    except (OSError, ValueError):
        return _LAST_IF_UNKNOWN


def numbers(names: Iterable[str]) -> tuple[int, ...]:
    """The numbers of capabilities; KeyError for a name that is not in ``NUMBERS``."""
    return tuple(NUMBERS[name] for name in names)


def limit_next_program(kept: Collection[int], last_number: int) -> None:
    """Limit the capabilities of the program that this process becomes, and of all that it starts.

    This process itself keeps what it has until then.

    Raises:
        OSError: the kernel refuses, because this process may not change its capabilities.
    """
    for number in range(last_number + 1):
        if number not in kept and _libc.prctl(_PR_CAPBSET_DROP, number, 0, 0, 0):
            _fail("PR_CAPBSET_DROP")
    _inherit_nothing()


def _inherit_nothing() -> None:
    """Clear the inheritable set, and with it the ambient one, which a new program would add to its own."""
    header = struct.pack("Ii", _VERSION_3, 0)
    data = ctypes.create_string_buffer(24)  # twice: effective, permitted, inheritable
    if _libc.capget(header, data):
        _fail("capget")
    low, high = struct.unpack_from("III", data, 0), struct.unpack_from("III", data, 12)
    if _libc.capset(header, struct.pack("IIIIII", low[0], low[1], 0, high[0], high[1], 0)):
        _fail("capset")


def _fail(what: str) -> None:
    number = ctypes.get_errno()
    raise OSError(number, f"{what}: {os.strerror(number)}")
