"""A copy in memory of the Python that enters nodes.

What runs in a node can get at the file of the program that started it, for instance by a script whose
interpreter is ``/proc/self/exe``. With a copy, that is not a file of the host.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import sys
from collections.abc import Iterator
from pathlib import Path

_SEALS = fcntl.F_SEAL_SEAL | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE


@contextlib.contextmanager
def copied_python() -> Iterator[int | None]:
    """Descriptor of a copy that cannot be changed; None where the kernel does not run programs in memory."""
    try:
        descriptor = _copy(Path(sys.executable))
    except OSError:
        yield None
        return
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _copy(program: Path) -> int:
    writable = os.memfd_create("python", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    try:
        with program.open("rb") as file:
            while os.sendfile(writable, file.fileno(), None, 1 << 30):
                pass
        fcntl.fcntl(writable, fcntl.F_ADD_SEALS, _SEALS)
        # A program cannot be started while its file is open for writing.
        return os.open(f"/proc/self/fd/{writable}", os.O_RDONLY | os.O_CLOEXEC)
    finally:
        os.close(writable)
