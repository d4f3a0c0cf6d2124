"""Playbooks in containers, which have neither this host's files nor a network to the outside."""

from __future__ import annotations

from pathlib import Path

import pytest

from continuum.software import playbooks
from tests.e2e import debs, program

pytestmark = [
    pytest.mark.root,
    pytest.mark.providers,
    pytest.mark.skipif(bool(playbooks.missing_requirement()), reason=playbooks.missing_requirement()),
    pytest.mark.skipif(bool(debs.WHY_NOT), reason=debs.WHY_NOT),
]


def test_mist_installs_the_broker_and_edge_nodes_serve_by_mqtt(tmp_path: Path, docker_url: str) -> None:
    if lack := debs.download(tmp_path / "packages", "mosquitto"):
        pytest.skip(lack)
    config = program.config(
        tmp_path,
        edge=2,
        endpoint=2,
        infrastructure="provider = docker\nartifact_dir = packages",
        duration=2,
        benchmark="resource_manager = mist\ntransport = mqtt",
    )
    done = program.run(config, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "video-install: packages : Install mosquitto: 2 nodes, 2 changed" in done.stderr
    benchmark = program.result(tmp_path)["benchmark"]
    assert benchmark["requests"]["completed"] == benchmark["requests"]["sent"] == 40
    log = (program.run_directory(tmp_path) / "logs" / "video-install.log").read_text()
    assert "changed: [edge0]" in log
    assert "endpoint" not in log
