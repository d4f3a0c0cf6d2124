"""Container runtimes: what is refused, what nodes get, and which pods use them."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from continuum.config import loader as config
from continuum.errors import ConfigError, DeployError, Problem
from continuum.host import facts as host
from continuum.model.workload import Workload
from continuum.modules import registry
from continuum.sdk import protocol
from infrastructure.qemu.acceleration import Acceleration, no_nesting
from resource_manager.kubecontrol import pod_manifests
from resource_manager.kubernetes import cluster_install, node_files, pod_spec, runtimes
from resource_manager.kubernetes.pod_spec import Share, Start
from resource_manager.kubernetes.runtimes import Runtime
from tests.unit.resource_manager.test_kubernetes import OWN, SHARED, cluster

MANAGER = registry.resource_manager("kubernetes")
TEXT = """
[infrastructure]
provider = docker
cloud_nodes = 2
cloud_cores = 1
cloud_memory = 2 GB
endpoint_nodes = 1
endpoint_cores = 1
endpoint_memory = 1 GB
[benchmark]
resource_manager = {manager}
application = empty
sleep_time = 1
{more}
"""


def parse(more: str, manager: str = "kubernetes") -> config.Config:
    return config.parse(TEXT.format(manager=manager, more=more), "x.cfg")


def probed(parsed: config.Config) -> list[Problem]:
    found = [*MANAGER.probe(parsed, host.read())]
    return [one for one in found if one.key == "runtime"]


def test_runc_is_the_default_and_needs_nothing() -> None:
    parsed = parse("")
    assert runtimes.chosen(parsed) == Runtime("runc", "overlayfs")
    assert runtimes.needed(parsed) == ()
    assert Runtime().runtime_class == ""
    assert not probed(parsed)


@pytest.mark.parametrize(
    ("name", "files", "packages"),
    [
        ("crun", (), ("crun",)),
        ("runsc", ("runsc", "containerd-shim-runsc-v1"), ()),
        ("kata-qemu", ("kata-static",), ("xz-utils",)),
        ("kata-fc", ("kata-static",), ("xz-utils", "dmsetup", "thin-provisioning-tools")),
    ],
)
def test_a_runtime_brings_its_files_and_packages(
    name: str, files: tuple[str, ...], packages: tuple[str, ...]
) -> None:
    parsed = parse(f"runtime = {name}")
    assert tuple(one.name for one in runtimes.needed(parsed)) == files
    assert set(files) <= {one.name for one in MANAGER.artifacts(parsed)}
    assert runtimes.chosen(parsed).packages == packages
    warned = [one.message for one in probed(parsed) if one.severity == "warning"]
    assert bool(warned) == bool(files), "files that cannot be downloaded"


def test_firecracker_uses_devmapper_and_nothing_else() -> None:
    assert runtimes.chosen(parse("runtime = kata-fc")).snapshotter == "devmapper"
    with pytest.raises(ConfigError, match="write runtime_filesystem = devmapper"):
        parse("runtime = kata-fc\nruntime_filesystem = overlayfs")


@pytest.mark.parametrize("more", ["runtime_filesystem = devmapper", "runsc_platform = ptrace"])
def test_keys_without_effect_are_told(more: str) -> None:
    (warning,) = parse(more).warnings
    assert more.split(maxsplit=1)[0] in str(warning)


@pytest.mark.parametrize("name", ["kata-qemu", "kata-fc"])
def test_virtual_machines_are_refused_where_nodes_are_containers(name: str) -> None:
    (refusal,) = (one for one in probed(parse(f"runtime = {name}")) if one.severity == "error")
    assert "nodes of provider docker have no hardware virtualisation" in refusal.message
    assert "/dev/kvm" in refusal.message


def test_guests_run_virtual_machines_with_nested_kvm_only(tmp_path: Path) -> None:
    assert "TCG-emulated" in no_nesting(Acceleration(kvm=False, why="there is no /dev/kvm"), tmp_path)
    parameter = tmp_path / "kvm_intel" / "parameters" / "nested"
    parameter.parent.mkdir(parents=True)
    parameter.write_text("N\n")
    assert "load kvm_intel with nested=1" in no_nesting(Acceleration(kvm=True), tmp_path)
    parameter.write_text("Y\n")
    assert no_nesting(Acceleration(kvm=True), tmp_path) == ""


def test_a_node_that_turns_out_to_have_no_virtualisation_is_named(tmp_path: Path) -> None:
    made = replace(cluster(tmp_path), runtime=Runtime("kata-qemu"))
    facts = {"cloud0": replace(OWN, has_kvm=True), "cloud1": OWN}
    with pytest.raises(
        DeployError, match="kata-qemu needs hardware virtualisation, and cloud1 has no /dev/kvm"
    ):
        cluster_install._check_virtualisation(made, facts)
    cluster_install._check_virtualisation(made, dict.fromkeys(facts, replace(OWN, has_kvm=True)))


def test_files_of_the_framework_for_kata_are_accepted_by_kubecontrol() -> None:
    parsed = parse("runtime = kata-fc\nkube_deployment = pod", "kube_kata")
    assert registry.canonical("resource_manager", "kube_kata") == "kubecontrol"
    assert parsed.warnings == ()


def files_of(tmp_path: Path, runtime: Runtime, facts: node_files.NodeFacts = SHARED) -> dict[str, str]:
    made = replace(cluster(tmp_path), runtime=runtime)
    return {
        path: text.decode() for path, (text, _) in node_files.of_node(made.members[1], facts, made).items()
    }


CONTAINERD = "/etc/containerd/config.toml"
SHIM = "/usr/local/bin/containerd-shim-runsc-v1"


def test_containerd_knows_the_chosen_runtime_besides_runc(tmp_path: Path) -> None:
    import tomllib

    for name, kind in (("crun", "runc.v2"), ("runsc", "runsc.v1"), ("kata-qemu", "kata.v2")):
        parsed = tomllib.loads(files_of(tmp_path, Runtime(name))[CONTAINERD])
        cri = parsed["plugins"]["io.containerd.grpc.v1.cri"]["containerd"]
        assert set(cri["runtimes"]) == {"runc", name}
        assert cri["runtimes"][name]["runtime_type"] == f"io.containerd.{kind}"
        assert cri["snapshotter"] == "overlayfs"


def test_devmapper_has_a_pool_and_images_are_imported_into_it(tmp_path: Path) -> None:
    files = files_of(tmp_path, Runtime("kata-fc", "devmapper"))
    assert 'pool_name = "continuum"' in files[CONTAINERD]
    assert "dmsetup create continuum" in files["/etc/continuum/devmapper.sh"]
    assert "--snapshotter devmapper" in files["/etc/continuum/images.sh"]
    assert "configuration-fc.toml" in files[CONTAINERD]


def test_gvisor_has_its_platform_and_a_shim_that_old_engines_understand(tmp_path: Path) -> None:
    files = files_of(tmp_path, Runtime("runsc", platform="ptrace"))
    assert 'platform = "ptrace"' in files["/etc/containerd/runsc.toml"]
    assert "/proc/$$/uid_map" in files[SHIM], "containers may not lower oom_score_adj"
    assert "uid_map" not in files_of(tmp_path, Runtime("runsc"), OWN)[SHIM]
    assert SHIM not in files_of(tmp_path, Runtime())


START = Start("image:1", "/usr/bin/python3", "/app", "run", {}, Share(None, 0, 64, 0))
SANDBOXED = replace(START, runtime_class="runsc", wall_offsets_ns={"cloud1": 5})
SLEEPER = Workload("sleeper", "cloud", ("{python}", "sleeper.py"), serves=True)


def test_pods_name_the_runtime_and_learn_the_clocks_of_nodes() -> None:
    (made,) = pod_spec.objects(SLEEPER, ["cloud1"], SANDBOXED)
    pod = made["spec"]["template"]["spec"]
    environment = {one["name"]: one.get("value") for one in pod["containers"][0]["env"]}
    assert pod["runtimeClassName"] == "runsc"
    assert json.loads(str(environment[protocol.ENV_WALL_OFFSETS])) == {"cloud1": 5}
    (direct,) = pod_manifests.build(SLEEPER, ["cloud1"], SANDBOXED, pod_manifests.POD)
    assert direct["spec"]["runtimeClassName"] == "runsc"
    (plain,) = pod_spec.objects(SLEEPER, ["cloud1"], START)
    assert "runtimeClassName" not in plain["spec"]["template"]["spec"]
    assert protocol.ENV_WALL_OFFSETS not in json.dumps(plain)
