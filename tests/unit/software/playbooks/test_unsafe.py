"""No value is a template: not as text, and not when Ansible reads it."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest

from continuum.config import loader as config
from continuum.config import topology_builder
from continuum.connection.deployment import Deployment
from continuum.model.node import Node
from continuum.rundir import run as rundir
from continuum.software import playbooks
from continuum.software.playbooks.unsafe import KEY, to_json
from continuum.testing.canary import canary
from continuum.testing.fake_connection import FakeConnection

needs_ansible = pytest.mark.skipif(
    bool(playbooks.missing_requirement()), reason=playbooks.missing_requirement()
)

PLAYBOOK = """
- hosts: all
  gather_facts: false
  tasks:
    - name: Write the values
      ansible.builtin.command:
        argv: [tee, "{{ target }}"]
        stdin: "{{ [one, many[0], deep.inside, own, empty, number] | to_json }}"
"""


def test_every_string_is_unsafe() -> None:
    value = {"a": ["", 2.5, True, None, {"b: c": ("{{ x }}",)}]}
    assert json.loads(to_json(value)) == {
        "a": [{KEY: ""}, 2.5, True, None, {"b: c": [{KEY: "{{ x }}"}]}],
    }
    assert "\n" not in to_json("a\nb")
    with pytest.raises(TypeError):
        to_json(object())


@needs_ansible
def test_ansible_evaluates_no_value(tmp_path: Path) -> None:
    """Neither a variable, nor the path of the run's folder; and text stays text."""
    bird = canary(tmp_path / "sang")
    base = tmp_path / "x{{ lookup('pipe', 'touch sang') }}"
    text = f"[infrastructure]\ninfra_only = True\nbase_path = {base}\n"
    text += "edge_nodes = 1\nedge_cores = 1\nedge_memory = 1\n"
    run = rundir.create(config.parse(text, str(tmp_path / "x.cfg")))
    topology = topology_builder.from_config(run.config)
    nodes = tuple(
        Node(spec, "127.0.0.1", python=sys.executable, folder=str(tmp_path)) for spec in topology.nodes
    )
    playbook = tmp_path / "module" / "playbooks" / "install.yml"
    playbook.parent.mkdir(parents=True)
    playbook.write_text(PLAYBOOK)
    before = {*Path.cwd().iterdir()}
    playbooks.play(
        playbook,
        Deployment(topology, nodes, {"edge0": FakeConnection("edge0", tmp_path / "node")}),
        run,
        variables={
            "one": bird,
            "many": [bird],
            "deep": {"inside": bird},
            "empty": "",
            "number": "3",
            "target": str(tmp_path / "written"),
        },
        of_node={"edge0": {"own": bird}},
        timeout_s=120,
    )
    run.unlock()
    assert json.loads((tmp_path / "written").read_text()) == [*[bird] * 4, "", "3"]
    assert not [path for path in tmp_path.rglob("*") if path.name == "sang"]
    assert {*Path.cwd().iterdir()} == before


def test_a_variable_in_the_path_of_a_run_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from continuum.errors import HostError
    from continuum.software.playbooks.play import _private_folder

    monkeypatch.setenv("HOME", os.environ.get("HOME", "/"))
    run = rundir.Run(tmp_path / "$HOME" / "20260101-000000-x")
    with pytest.raises(HostError, match="set base_path"):
        _private_folder(run, "x")
