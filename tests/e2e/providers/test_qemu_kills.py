"""Nothing is left of virtual machines, wherever the orchestrator is killed."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from tests.e2e import program
from tests.e2e.providers import guests, libvirtd

pytestmark = [pytest.mark.root, pytest.mark.providers, pytest.mark.slow, pytest.mark.timeout(500)]

SETTLE_S = 15.0
SEED = 11
KILLS = {"start": 3, "run": 2, "disks": 1, "guests": 3, "shape": 1}
"""What is waited for first, and how often; guests take most of the time, and need not come up to be left."""

LONG = {("start", 1), ("start", 2), ("run", 0), ("guests", 0), ("shape", 0)}
"""Of these, the ones that are left to ``make test-long``; one with and one without a second kill stay."""

WAITS_S = {"start": 1.5, "run": 0.6, "disks": 0.5, "guests": 4.0, "shape": 2.0}
"""Longest random time from then until the kill."""


class Killed:
    """One run that is killed, with everything seen of it before."""

    def __init__(self, folder: Path, uri: str, image: Path) -> None:
        folder.mkdir()
        self.folder, self.uri = folder, uri
        self.environment = {
            **os.environ,
            "XDG_STATE_HOME": str(folder / "state"),
            "TMPDIR": str(folder.parent),
        }
        self.config = guests.config(folder, uri, image)
        self.run_id, self.wires = "", set[int]()

    def kill(self, arguments: list[str], reached: Callable[[], bool], after_s: float) -> None:
        """Kill a command a while after something is reached, or when it has ended by itself."""
        with (self.folder / "said").open("w") as said:
            process = subprocess.Popen(
                program.command(*arguments), cwd=self.folder, env=self.environment, stderr=said, stdout=said
            )
            deadline = time.monotonic() + guests.TIMEOUT_S
            while not reached() and process.poll() is None:
                assert time.monotonic() < deadline, (self.folder / "said").read_text()
                time.sleep(0.02)
            with suppress(subprocess.TimeoutExpired):
                process.wait(after_s)
            self.look()
            process.send_signal(signal.SIGKILL)
            process.wait()

    def look(self) -> None:
        """Keep in mind what there is of the run."""
        for directory in (self.folder / "runs").glob("*"):
            self.run_id = directory.name
            self.wires |= set(libvirtd.wires(self.run_id))

    def reached(self, what: str) -> bool:
        """Whether the run has come that far."""
        if what == "run":
            return any((self.folder / "runs").glob("*"))
        if what == "shape":
            return "provision  ok" in (self.folder / "said").read_text()
        things = [name for name in libvirtd.things(self.uri) if self.run_id and self.run_id in name]
        self.look()
        return {"start": True, "disks": bool(things), "guests": any("." in name for name in things)}[what]

    def left(self) -> list[object]:
        """What there still is of it."""
        traces: list[object] = [*libvirtd.things(self.uri), *libvirtd.images(self.uri)]
        traces += sorted(self.wires & libvirtd.indices())
        if self.run_id:
            traces += [*libvirtd.processes(self.run_id), *libvirtd.wires(self.run_id)]
            run = self.folder / "runs" / self.run_id
            traces += [path for path in (run / "keys", run / "guests") if path.exists()]
        return traces


@pytest.mark.parametrize(
    ("what", "number"),
    [
        pytest.param(what, n, marks=pytest.mark.long if (what, n) in LONG else ())
        for what, times in KILLS.items()
        for n in range(times)
    ],
)
def test_nothing_is_left_of_a_run_that_was_killed(
    what: str, number: int, libvirt_uri: str, guest_image: Path, tmp_path: Path
) -> None:
    chance = random.Random(f"{SEED} {what} {number}")
    killed = Killed(tmp_path / "run", libvirt_uri, guest_image)
    others = libvirtd.things(libvirt_uri), libvirtd.images(libvirt_uri)
    killed.kill(["up", "test.cfg"], lambda: killed.reached(what), chance.uniform(0, WAITS_S[what]))
    if what in ("disks", "guests", "shape"):
        assert set(map(str, killed.left())) - {*others[0], *others[1]}, "there is nothing to be left"
    if number % 2:  # the one that cleans up is killed as well
        killed.kill(["destroy", "--all"], lambda: True, chance.uniform(0.2, 1.2))
    done = guests.continuum("destroy", "--all", cwd=killed.folder, environment=killed.environment)
    assert done.returncode == 0, done.stderr
    deadline = time.monotonic() + SETTLE_S
    while left := [one for one in killed.left() if one not in (*others[0], *others[1])]:
        assert time.monotonic() < deadline, f"killed in {what}: left behind: {left}"
        time.sleep(0.1)
    assert not list(tmp_path.glob("continuum-ssh-*"))
