"""The video benchmark on virtual machines: the example's run, beside one on another provider, and `mist`."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from continuum.software import playbooks
from infrastructure.qemu import names, recipe
from tests.e2e import debs, program
from tests.e2e.providers import libvirtd

pytestmark = [pytest.mark.root, pytest.mark.providers, pytest.mark.timeout(1500)]

TIMEOUT_S = 1400
"""For one run: guests are emulated, on processors that other tests use, too."""

EXAMPLE = (program.CHECKOUT / "configs" / "qemu.cfg").read_text(encoding="utf-8")
EXAMPLE = EXAMPLE.replace("[run]\n", f"[run]\n{program.TOLERATED}\n")
SHORTER = {
    "duration": "50 s",
    "warmup": "5 s",
    "tolerance": "100 %, 300 ms",  # other work on the test machine must not decide
}

MIST = (
    """\
[infrastructure]
provider = qemu
qemu_acceleration = tcg
qemu_uri = {uri}
qemu_image = {image}
artifact_dir = packages
edge_nodes = 1
edge_cores = 1
edge_memory = 1 GB
endpoint_nodes = 1
endpoint_cores = 1
endpoint_memory = 1 GB
network_emulation = True
[benchmark]
resource_manager = mist
application = video
transport = mqtt
application_worker_cpu = 1
frequency = 0.04
duration = 25 s
request_timeout = 2 min
[run]
warmup = 5 s
tolerance = 100 %, 300 ms
"""
    + program.TOLERATED
    + "\n"
)


def changed(text: str, **values: object) -> str:
    """A config with other values for keys that it has."""
    for key, value in values.items():
        text, count = re.subn(rf"(?m)^{key} = .*$", f"{key} = {value}", text)
        assert count == 1, key
    return text


@pytest.fixture(scope="module")
def ended(libvirt_uri: str, guest_image: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The folder of the example's run, which is over, and the config it had."""
    folder = tmp_path_factory.mktemp("video")
    text = changed(EXAMPLE, **SHORTER, qemu_uri=libvirt_uri).replace(
        "provider = qemu", f"provider = qemu\nqemu_acceleration = tcg\nqemu_image = {guest_image}"
    )
    (folder / "video.cfg").write_text(text, encoding="utf-8")
    done = program.run("video.cfg", cwd=folder, timeout_s=TIMEOUT_S)
    assert done.returncode == 0, done.stderr
    return folder, text


def test_every_frame_is_answered_and_the_clocks_are_known(ended: tuple[Path, str]) -> None:
    result = program.result(ended[0])
    assert (result["provider"], result["engine"], result["valid"]) == ("qemu", "netem", True)
    assert {node["name"] for node in result["nodes"]} == {"cloud0", "endpoint0"}
    benchmark = result["benchmark"]
    requests = benchmark["requests"]
    assert requests["completed"] == requests["sent"] == 2
    assert (requests["lost"], requests["failed"]) == (0, 0)
    assert benchmark["accuracy"] == 1.0
    assert list(benchmark["stages_ms"]) == ["preprocess", "uplink", "queue", "process", "downlink", "other"]
    for node in ("cloud0", "endpoint0"):
        clock = result["clocks"][node]
        assert clock["offset_ms"] != 0
        assert 0 < clock["error_ms"] < 1000
    for stage in ("uplink", "downlink"):
        assert benchmark["stages_ms"][stage]["clock_error"] > 0
    delivered = {(one["node"], one["workload"]) for one in result["deliveries"]}
    assert delivered == {("cloud0", "worker"), ("endpoint0", "endpoint")}


def test_nothing_is_left_of_it(ended: tuple[Path, str], libvirt_uri: str) -> None:
    directory = program.run_directory(ended[0])
    assert not [name for name in libvirtd.things(libvirt_uri) if directory.name in name]
    assert not [path for path in libvirtd.images(libvirt_uri) if directory.name in path]
    assert not Path("/sys/class/net", names.bridge(directory.name)).exists()
    assert not (directory / "keys").exists()
    assert libvirtd.processes(directory.name) == []


def test_it_stands_beside_the_same_run_on_another_provider(ended: tuple[Path, str], tmp_path: Path) -> None:
    folder, text = ended
    lines = [line for line in text.splitlines() if not line.startswith("qemu_")]
    (tmp_path / "video.cfg").write_text(changed("\n".join(lines), provider="local"), encoding="utf-8")
    done = program.run("video.cfg", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    both = program.run_directory(folder), program.run_directory(tmp_path)
    guests, local = (json.loads((one / "result.json").read_text(encoding="utf-8")) for one in both)
    assert set(guests) == set(local)
    for part in ("benchmark", "nodes", "network", "phases", "lifecycle"):
        assert form(guests[part]) == form(local[part])
    for one in both:
        header = (one / "samples.csv").read_text(encoding="utf-8").splitlines()[0]
        assert header == (both[0] / "samples.csv").read_text(encoding="utf-8").splitlines()[0]
    compared = program.run("compare", *both, "--output", tmp_path, cwd=tmp_path)
    assert compared.returncode == 0, compared.stderr
    assert {"qemu", "local", "uplink", "process"} <= set(re.findall(r"\w+", compared.stdout))
    assert "NOT COMPARABLE" not in compared.stdout
    assert "one run each: not decidable" in " ".join(compared.stdout.split())
    (page,) = tmp_path.glob("*.html")
    assert "qemu" in page.read_text(encoding="utf-8")


def form(value: Any) -> Any:
    """What a value is made of: names and nesting, without the numbers."""
    if isinstance(value, dict):
        return {name: form(part) for name, part in value.items()}
    if isinstance(value, list):
        return [form(part) for part in value]
    return type(value) if isinstance(value, (str, bool)) else "number"  # or none, where there are too few


@pytest.mark.long  # test_docker_playbooks has the same benchmark on containers
@pytest.mark.skipif(bool(playbooks.missing_requirement()), reason=playbooks.missing_requirement())
@pytest.mark.skipif(bool(debs.WHY_NOT), reason=debs.WHY_NOT)
def test_mist_installs_the_broker_and_an_edge_guest_serves_by_mqtt(
    libvirt_uri: str, guest_image: Path, tmp_path: Path
) -> None:
    """From files, for guests have no way to the outside; only those that their image lacks, to save time."""
    packages = tmp_path / "packages"
    packages.mkdir()
    lacking = set(debs.dependencies("mosquitto")) - set(debs.dependencies(*recipe.PACKAGES))
    if lack := debs.fetch(packages, sorted(lacking)):
        pytest.skip(lack)
    before = libvirtd.things(libvirt_uri)
    (tmp_path / "mist.cfg").write_text(MIST.format(uri=libvirt_uri, image=guest_image), encoding="utf-8")
    done = program.run("mist.cfg", cwd=tmp_path, timeout_s=TIMEOUT_S)
    assert done.returncode == 0, done.stderr
    result = program.result(tmp_path)
    assert (result["valid"], result["benchmark"]["resource_manager"]) == (True, "mist")
    requests = result["benchmark"]["requests"]
    assert requests["completed"] == requests["sent"] == 1
    logs = program.run_directory(tmp_path) / "logs"
    assert re.search(r"(ok|changed): \[edge0\]", (logs / "mist-install.log").read_text())
    log = (logs / "video-install.log").read_text()
    assert "Install mosquitto" in log
    assert "changed: [edge0]" in log
    assert "endpoint" not in log
    assert libvirtd.things(libvirt_uri) == before
