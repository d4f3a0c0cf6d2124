"""Processes of the keeper end with their parent, however early that ends."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

CHILD_THAT_ASKS_LATE = """
import os, time
from infrastructure.local.keeper import syscalls

parent = syscalls.process_id()
if os.fork() == 0:
    while os.getppid() == parent:
        time.sleep(0.01)
    syscalls.die_with_parent(parent)
    print("lives on", flush=True)
os._exit(0)
"""


def test_a_child_whose_parent_has_ended_already_ends() -> None:
    done = subprocess.run(
        [sys.executable, "-c", CHILD_THAT_ASKS_LATE],
        cwd=Path(__file__).parents[3],
        capture_output=True,
        timeout=60,
        check=True,
    )
    assert (done.stdout, done.stderr) == (b"", b"")
