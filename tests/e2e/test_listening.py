"""Servers of workloads listen on their node's emulated address alone."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.e2e import program
from tests.e2e.leaks import no_leaks

pytestmark = pytest.mark.root
LISTENS = "0A"


@pytest.mark.slow
@pytest.mark.parametrize("transport", ["zenoh", "http"])
def test_a_worker_listens_on_the_address_of_its_node(tmp_path: Path, transport: str) -> None:
    config = program.config(tmp_path, duration=4, benchmark=f"transport = {transport}")
    with no_leaks(), program.started(config, cwd=tmp_path) as process:
        program.wait_for(r"completed [1-9]", tmp_path, process)
        directory = program.run_directory(tmp_path)
        table = program.run("exec", directory.name, "edge0", "--", "cat", "/proc/net/tcp", cwd=tmp_path)
        nodes = json.loads((directory / "state.json").read_text())["nodes"]
        process.wait(program.TIMEOUT_S)
    (own,) = [node["address"] for node in nodes if node["spec"]["name"] == "edge0"]
    sockets = [line.split() for line in table.stdout.splitlines()[1:]]
    listening = {words[1].partition(":")[0] for words in sockets if words[3] == LISTENS}
    little_endian = "".join(f"{int(part):02X}" for part in reversed(own.split(".")))
    assert listening == {little_endian}
