"""The system calls that Python lacks: timers of the CPU time of a control group, and precise alarms."""

from __future__ import annotations

import ctypes
import mmap
import os
import platform
import struct
import sys

_LIBC = ctypes.CDLL(None, use_errno=True)
_PERF_EVENT_OPEN = {"x86_64": 298, "aarch64": 241, "riscv64": 241, "ppc64le": 319, "s390x": 331}
_TYPE_SOFTWARE, _CPU_CLOCK = 1, 0
_ATTRIBUTES_BYTES = 112
_PERIOD_AT, _WAKEUP_AT = 16, 48
_PID_CGROUP, _CLOEXEC = 4, 8
_HEAD = slice(1024, 1032)
"""Place of ``data_head`` in the first page of the buffer (``struct perf_event_mmap_page``)."""

_RECORD_BYTES = 8
"""A record without any data is a header only (``struct perf_event_header``)."""

_TIMERFD_ABSOLUTE = 1
_NS_PER_S = 1_000_000_000


class SliceCounter:
    """Counts slices of CPU time that a control group uses on one CPU; its descriptor is readable after each.

    The kernel writes a record after each slice (``cpu-clock`` of man 2 perf_event_open), which costs nothing
    while the group is idle.

    Args:
        group: descriptor of the group's folder (version 2, or ``perf_event`` of version 1).
        cpu: the CPU.
        slice_ns: length of a slice.

    Raises:
        OSError: the kernel refuses; mostly for want of CAP_PERFMON.
    """

    __slots__ = ("_buffer", "_seen", "_slice_ns", "fd")

    def __init__(self, group: int, cpu: int, slice_ns: int) -> None:
        self._slice_ns = slice_ns
        attributes = bytearray(_ATTRIBUTES_BYTES)
        struct.pack_into("=IIQ", attributes, 0, _TYPE_SOFTWARE, _ATTRIBUTES_BYTES, _CPU_CLOCK)
        struct.pack_into("=Q", attributes, _PERIOD_AT, slice_ns)
        struct.pack_into("=I", attributes, _WAKEUP_AT, 1)
        number = _PERF_EVENT_OPEN.get(platform.machine())
        if number is None:
            raise OSError(f"perf_event_open is not known on {platform.machine()}")
        raw = (ctypes.c_char * _ATTRIBUTES_BYTES).from_buffer(attributes)
        self.fd = _checked(_LIBC.syscall(number, raw, group, cpu, -1, _PID_CGROUP | _CLOEXEC))
        try:
            # Mapped for reading only, so that the kernel overwrites old records and never drops new ones.
            self._buffer = mmap.mmap(self.fd, 2 * mmap.PAGESIZE, prot=mmap.PROT_READ)
        except BaseException:
            os.close(self.fd)
            raise
        self._seen = 0

    def slices_ns(self) -> int:
        """CPU time since the last call, in whole slices; no system call."""
        head = int.from_bytes(self._buffer[_HEAD], sys.byteorder)
        number, self._seen = (head - self._seen) // _RECORD_BYTES, head
        return number * self._slice_ns

    def close(self) -> None:
        """Stop counting."""
        self._buffer.close()
        os.close(self.fd)


class Alarm:
    """A descriptor that becomes readable at a time of CLOCK_MONOTONIC, to the microsecond."""

    def __init__(self) -> None:
        self.fd = _checked(_LIBC.timerfd_create(1, os.O_NONBLOCK | os.O_CLOEXEC))

    def set(self, at_ns: int) -> None:
        """Set the time; an earlier one is forgotten."""
        at = struct.pack("qqqq", 0, 0, at_ns // _NS_PER_S, at_ns % _NS_PER_S)
        _LIBC.timerfd_settime(self.fd, _TIMERFD_ABSOLUTE, at, None)


def _checked(result: int) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return int(result)
