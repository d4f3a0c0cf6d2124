"""OpenFaaS with its real gateway and provider: a function on a node of its own, functions on Kubernetes."""

from __future__ import annotations

import csv
import hashlib
import json
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any

import pytest

from continuum.measure import trace
from continuum.model.events import read
from continuum.software import oci
from continuum.software.artifacts import folder as artifacts_folder
from tests.e2e import program
from tests.e2e.providers import dockerd

pytestmark = [pytest.mark.root, pytest.mark.providers, pytest.mark.timeout(600)]

STAGES = ("preprocess", "uplink", "gateway", "queue", "process", "downlink")
CONFIG = (
    """
[infrastructure]
{provider}
artifact_dir = {artifacts}
cloud_nodes = {cloud}
cloud_cores = 1
cloud_memory = 2 GB
endpoint_nodes = 1
endpoint_cores = 1
endpoint_memory = 1 GB
network_emulation = True
cloud_endpoint_latency_avg = 20
cloud_endpoint_latency_var = 0
[benchmark]
resource_manager = {manager}
application = video
frequency = 5
duration = 3
request_timeout = 60 s
{benchmark}
[execution_model]
model = openfaas
{model}
[run]
"""
    + program.TOLERANCES
    + "\n"
)


def write(folder: Path, artifacts: Path, **given: Any) -> Path:
    values = {
        "provider": "provider = local",
        "manager": "none",
        "cloud": 1,
        "benchmark": "",
        "model": "",
        **given,
    }
    path = folder / "function.cfg"
    path.write_text(CONFIG.format(artifacts=artifacts, **values))
    return path


def samples(directory: Path) -> list[dict[str, str]]:
    with (directory / "samples.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def check_breakdown(tmp_path: Path, requests: int) -> None:
    """Every request has every stage, and they add up to its latency to the nanosecond."""
    result = program.result(tmp_path)
    measured = result["benchmark"]
    assert (result["valid"], measured["model"]) == (True, "openfaas"), result["invalid_reasons"]
    assert measured["requests"]["completed"] == measured["requests"]["sent"] == requests
    found = trace.build(read(program.run_directory(tmp_path) / "raw"), STAGES)
    for request in found.measured():
        assert set(request.spans_ns) == {*STAGES, "other"}
        assert sum(request.spans_ns.values()) == request.end_to_end_ns
    assert found.counters.negative_spans == found.counters.missing_events == 0
    assert {*(f"{stage}_ms" for stage in STAGES)} <= samples(program.run_directory(tmp_path))[0].keys()
    for stage in ("uplink", "downlink"):
        assert measured["stages_ms"][stage]["p50"] > 19, "its way is not the emulated link"
    assert 0 < measured["stages_ms"]["gateway"]["p50"] < measured["stages_ms"]["uplink"]["p50"]


def test_without_a_cluster_a_function_is_behind_the_gateway_of_its_node(
    openfaas_artifacts: Path, tmp_path: Path
) -> None:
    done = program.run("-q", write(tmp_path, openfaas_artifacts, cloud=2), cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    check_breakdown(tmp_path, 15)
    logs = program.run_directory(tmp_path) / "logs"
    assert "Forwarded [POST] to /function/worker - [200]" in (logs / "cloud0-gateway-0.log").read_text()
    assert "POST" not in (logs / "cloud1-gateway-0.log").read_text(), "one endpoint asks one gateway"


def test_what_exceeds_the_bound_is_held_back_and_said(openfaas_artifacts: Path, tmp_path: Path) -> None:
    config = write(tmp_path, openfaas_artifacts, benchmark="max_in_flight = 1", model="")
    # More than the function can answer: on a busy host, most of it is lost.
    text = config.read_text().replace("frequency = 5", "frequency = 60")
    config.write_text(text.replace("tolerated_loss = 50 %", "tolerated_loss = 100 %"))
    done = program.run("-q", config, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    result = program.result(tmp_path)
    assert result["benchmark"]["counters"]["held"] > 0
    assert any("waited at their endpoint for earlier answers" in note for note in result["notes"])
    requests = result["benchmark"]["requests"]
    assert requests["sent"] == 180 == requests["completed"] + requests["lost"] + requests["failed"]


def test_a_gateway_that_ends_ends_the_run_with_its_last_words(
    openfaas_artifacts: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "artifacts"
    folder.mkdir()
    entries = {one.name: one for one in artifacts_folder.read(openfaas_artifacts)}
    (folder / entries["of-watchdog"].file).symlink_to(openfaas_artifacts / entries["of-watchdog"].file)
    broken = folder / entries["gateway"].file
    layer = oci.from_files({"/gateway": "#!/bin/sh\necho no provider >&2\nexit 3\n"}, tmp_path / "layers")
    oci.write(broken, entries["gateway"].image, [layer], oci.ImageConfig(entrypoint=("/gateway",)))
    digest = hashlib.sha256(broken.read_bytes()).hexdigest()
    mine = replace(entries["gateway"], sha256=digest, size_bytes=broken.stat().st_size)
    artifacts_folder.write(folder, [entries["of-watchdog"], mine])
    done = program.run("-q", write(tmp_path, folder), cwd=tmp_path)
    assert done.returncode == 5
    assert "gateway-0 on cloud0 ended with status 1 before it was ready" in done.stderr
    assert "OpenFaaS's gateway ended with status 3" in done.stderr
    assert "no provider" in done.stderr


def test_on_kubernetes_functions_are_deployed_scaled_and_started_cold(
    docker_url: str,
    kubernetes_image: str,
    cluster_artifacts: Path,
    openfaas_artifacts: Path,
    tmp_path: Path,
) -> None:
    config = write(
        tmp_path,
        openfaas_artifacts,
        provider=f"provider = docker\ndocker_image = {kubernetes_image}",
        manager="kubernetes",
        cloud=2,
        model="openfaas_replicas = 2\nopenfaas_cold_starts = 1",
    )
    with dockerd.no_leaks(docker_url):
        done = program.run("-q", config, cwd=tmp_path, timeout_s=500)
    assert done.returncode == 0, done.stderr
    check_breakdown(tmp_path, 15)
    directory = program.run_directory(tmp_path)
    assert program.result(tmp_path)["benchmark"]["capacity"] == 2
    assert len(list((directory / "raw" / "cloud1").iterdir())) == 2, "two pods of the function"
    (starts,) = json.loads((directory / "cold_starts.json").read_text())
    assert len(starts["cold_s"]) == 1
    # A single answer of a warm function may take long on a busy machine.
    assert min(starts["cold_s"]) > median(starts["warm_s"])
