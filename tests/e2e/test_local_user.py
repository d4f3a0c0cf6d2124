"""Nodes of an ordinary user, in a user namespace."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from infrastructure.local import processes

CHECKOUT = Path(__file__).resolve().parents[2]
NOBODY = 65534
PYTHONS = (sys.executable, "/usr/bin/python3", "/usr/local/bin/python3")

SCRIPT = """
import json, os, sys
from pathlib import Path, PurePosixPath
from continuum.host import facts
from continuum.modules import registry
from continuum.errors import CommandTimeout
from tests.e2e.local_nodes import nodes

base = Path(sys.argv[1])
said = {"trial": [str(one) for one in registry.provider("local").doctor(facts.read()) if not one.ok]}
with nodes(base, endpoints=2) as made:
    def sh(node, script):
        return made[node].run(["sh", "-c", script], timeout=60).stdout.strip()
    said["who"] = sh("cloud0", "hostname; id -u")
    said["resolved"] = sh("cloud0", "getent hosts endpoint1")
    said["etc"] = sh("cloud0", "echo x > /etc/continuum-test && cat /etc/continuum-test")
    said["other"] = sh("endpoint0", "ls /etc/continuum-test 2>/dev/null || echo none")
    said["host"] = os.path.exists("/etc/continuum-test")
    said["read_only"] = sh("cloud0", "touch /boot/x 2>/dev/null || echo refused")
    (base / "file").write_text("data")
    made["cloud0"].put(base / "file", PurePosixPath("/var/lib/continuum/w/file"))
    made["cloud0"].get(PurePosixPath("/var/lib/continuum/w"), base / "got")
    said["got"] = (base / "got" / "file").read_text()
    said["interfaces"] = sh("cloud0", "ls /sys/class/net | tr '\\n' ' '")
    said["ping"] = made["endpoint0"].run(["{python}", "-c", '''
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.bind(("", 7)); s.settimeout(20)
s.sendto(b"to myself by the fabric's rules or the kernel's", ("endpoint0", 7)); print(len(s.recv(99)))
'''], timeout=60).stdout.strip()
    process = made["cloud0"].start(["sh", "-c", "setsid sleep 999 & sleep 998"], env={}, log=base / "log")
    process.kill()
    said["status"] = process.wait(20)
    try:
        made["cloud0"].run(["sleep", "997"], timeout=0.3)
    except CommandTimeout:
        said["timeout"] = True
    said["sleeping"] = sh("cloud0", "cat /proc/[0-9]*/comm | grep -c sleep || true")
    said["notes"] = made.run.notes()
    directory = made.run.directory
    said["run"] = made.run.id
said["left"] = sorted(path.name for path in directory.iterdir() if path.name == "nodes")
print(json.dumps(said))
"""


def _command(base: Path) -> list[str]:
    """The script, run by somebody who is not root; skips where nobody can."""
    if os.geteuid() != 0:
        return [sys.executable, "-B", "-c", SCRIPT, str(base)]
    if shutil.which("setpriv") is None:
        pytest.skip("no setpriv to become an ordinary user with")
    become = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]
    for python in PYTHONS:
        check = [
            *become,
            python,
            "-B",
            "-c",
            (
                "import os, sys, continuum.modules.base\n"
                "assert sys.version_info >= (3, 10); os.stat(sys.executable)"
            ),
        ]
        try:
            if (
                subprocess.run(check, cwd=CHECKOUT, capture_output=True, timeout=60, check=False).returncode
                == 0
            ):
                return [*become, python, "-B", "-c", SCRIPT, str(base)]
        except PermissionError:
            continue
    pytest.skip("an ordinary user can read no Python here, or not this checkout")


@pytest.fixture(scope="module")
def said() -> Iterator[dict[str, Any]]:
    base = Path(tempfile.mkdtemp(prefix="continuum-user-", dir="/var/tmp"))
    try:
        if os.geteuid() == 0:
            os.chown(base, NOBODY, NOBODY)
        if not os.access("/dev/net/tun", os.F_OK) or not Path("/dev/net/tun").stat().st_mode & 0o006:
            pytest.skip("ordinary users may not open /dev/net/tun here")
        environment = {**os.environ, "XDG_STATE_HOME": str(base / "state"), "HOME": str(base)}
        done = subprocess.run(
            _command(base),
            cwd=CHECKOUT,
            env=environment,
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )
        if "nodes need namespaces" in done.stderr:
            pytest.skip("no unprivileged user namespaces here")
        assert done.returncode == 0, done.stderr
        yield json.loads(done.stdout.splitlines()[-1])
    finally:
        shutil.rmtree(base, ignore_errors=True)


def test_everything_needed_is_there(said: dict[str, Any]) -> None:
    assert [text for text in said["trial"] if "limits" not in text] == []


def test_node_is_its_own_machine(said: dict[str, Any]) -> None:
    assert said["who"].split() == ["cloud0", "0"]
    assert said["resolved"].split() == ["10.77.0.3", "endpoint1"]
    assert said["interfaces"].split() == ["eth0", "lo"]
    assert said["ping"] == "47"


def test_what_is_edited_stays_in_the_node(said: dict[str, Any]) -> None:
    assert said["etc"] == "x"
    assert said["other"] == "none"
    assert said["host"] is False
    assert said["read_only"] == "refused"


def test_files_cross(said: dict[str, Any]) -> None:
    assert said["got"] == "data"


def test_commands_are_ended(said: dict[str, Any]) -> None:
    assert said["status"] == -9
    assert said["timeout"]
    assert said["sleeping"] == "0"


def test_what_is_not_enforced_is_said(said: dict[str, Any]) -> None:
    if any("limits" in text for text in said["trial"]):
        assert any("CPU quotas are not enforced" in note for note in said["notes"])
        assert any("memory limits are not enforced" in note for note in said["notes"])


def test_nothing_is_left(said: dict[str, Any]) -> None:
    assert said["left"] == []
    assert list(processes.labelled(said["run"])) == []
