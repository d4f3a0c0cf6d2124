"""The components that other tests install: each starts, says its version, and together they answer."""

from __future__ import annotations

import os
import signal
import subprocess
import tarfile
import time
from pathlib import Path

import pytest

from tests.e2e import components
from tests.e2e.components import go, trial
from tests.e2e.components.catalogue import CNI_PLUGINS, COMPONENTS, PROGRAMS, Program, version_of

pytestmark = [pytest.mark.providers, pytest.mark.root]

VERSIONS = {
    "kubelet": ["--version"],
    "kubeadm": ["version", "--output", "short"],
    "kubectl": ["version", "--client"],
    "kube-apiserver": ["kube-apiserver", "--version"],
    "kube-controller-manager": ["kube-controller-manager", "--version"],
    "kube-scheduler": ["kube-scheduler", "--version"],
    "kube-proxy": ["kube-proxy", "--version"],
    "etcd": ["etcd", "--version"],
    "coredns": ["/coredns", "-version"],
    "flannel": ["/opt/bin/flanneld", "--version"],
}
"""What to call each artifact with; in an image, the program comes first."""


@pytest.fixture(scope="module")
def unpacked(cluster_artifacts: Path, tmp_path_factory: pytest.TempPathFactory) -> trial.Unpacked:
    """Every program of a cluster."""
    return trial.Unpacked(cluster_artifacts, tmp_path_factory.mktemp("unpacked"))


def call(unpacked: trial.Unpacked, name: str, *arguments: str) -> str:
    """What a program says, under its own name, or one of an image with nothing else around it."""
    if COMPONENTS[name].kind == "image":
        argv = ["chroot", str(unpacked.root(name)), *arguments]
    else:
        argv = [str(unpacked.program(name)), *arguments]
    return trial.HERE.run(argv)


@pytest.mark.parametrize("name", VERSIONS)
def test_says_the_version_that_is_pinned(name: str, unpacked: trial.Unpacked) -> None:
    assert version_of(PROGRAMS[COMPONENTS[name].program]).lstrip("v") in call(unpacked, name, *VERSIONS[name])


@pytest.mark.parametrize("name", ["kube-proxy", "flannel"])
@pytest.mark.parametrize("command", ["iptables", "iptables-restore", "ip6tables-save", "nft"])
def test_images_hold_the_commands_that_their_programs_call(
    name: str, command: str, unpacked: trial.Unpacked
) -> None:
    assert "1." in call(unpacked, name, command, "--version")


def test_images_have_the_names_that_kubeadm_expects(unpacked: trial.Unpacked) -> None:
    version = components.known("kubeadm").version
    listed = call(unpacked, "kubeadm", "config", "images", "list", "--kubernetes-version", version)
    ours = {components.known(name).image for name in COMPONENTS if COMPONENTS[name].kind == "image"}
    assert set(listed.split()) <= ours


def test_a_file_is_copied_onto_the_node(unpacked: trial.Unpacked) -> None:
    call(unpacked, "flannel-cni-plugin", "/bin/cp", "-f", "/flannel", "/copied")
    root = unpacked.root("flannel-cni-plugin")
    assert (root / "copied").read_bytes() == (root / "flannel").read_bytes()
    assert os.access(root / "copied", os.X_OK)


def test_pause_ends_when_told_to_and_reaps_until_then(unpacked: trial.Unpacked) -> None:
    process = subprocess.Popen(["chroot", str(unpacked.root("pause")), "/pause"])
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(0.5)
    process.send_signal(signal.SIGCHLD)
    process.terminate()
    assert process.wait(trial.DEADLINE_S) == 0


def test_network_plugins_say_what_they_support(unpacked: trial.Unpacked, tmp_path: Path) -> None:
    with tarfile.open(unpacked.file("cni-plugins")) as archive:
        archive.extractall(tmp_path, filter="tar")
    flannel = unpacked.root("flannel-cni-plugin") / "flannel"
    for plugin in (*(tmp_path / name for name in CNI_PLUGINS), flannel):
        assert '"0.4.0"' in trial.HERE.run(["env", "CNI_COMMAND=VERSION", plugin], '{"cniVersion": "0.4.0"}')


def test_the_api_server_is_ready_with_etcd(unpacked: trial.Unpacked, tmp_path: Path) -> None:
    with trial.control_plane(unpacked, tmp_path) as plane:
        assert components.known("kubectl").version in plane.kubectl("get", "--raw", "/version")
        assert "kube-system" in plane.kubectl("get", "namespaces", "--output=name")


def test_what_is_in_the_cache_is_not_built_again(tmp_path: Path) -> None:
    said: list[str] = []
    components.provide(tmp_path, ["pause"], say=lambda line: None)
    components.provide(tmp_path, ["pause"], say=said.append)
    assert said == []


def test_what_nobody_asks_for_any_more_leaves_the_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    go_cache = trial.HERE.run([go.find().path, "env", "GOCACHE"]).strip()
    monkeypatch.setenv("GOCACHE", go_cache)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    place = tmp_path / "cache" / "continuum" / "components" / "pause"
    place.mkdir(parents=True)
    for name, days in (("old", 3), ("recent", 1)):
        for path in (place / name, place / f"{name}.sha256"):
            path.write_text("x")
            os.utime(path, (time.time() - days * 86400,) * 2)
    components.provide(tmp_path / "folder", ["pause"])
    assert {path.name for path in place.glob("[or]*")} == {"recent", "recent.sha256"}


def test_changed_sources_are_built_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = _module(tmp_path, 'package main\n\nfunc main() { println("one") }\n')
    before = go.key(program)
    _module(tmp_path, 'package main\n\nfunc main() { println("two") }\n')
    assert go.key(program) != before
    go.build(program, tmp_path / "made")
    done = subprocess.run([str(tmp_path / "made")], capture_output=True, text=True, check=True, timeout=10)
    assert done.stderr == "two\n"


def test_a_program_that_does_not_build_says_where(tmp_path: Path) -> None:
    program = _module(tmp_path, "package main\n\nfunc main() { unheard() }\n")
    with pytest.raises(components.ComponentError, match=r"main\.go:3:15: undefined: unheard"):
        go.build(program, tmp_path / "made")


def test_a_build_ends_at_its_deadline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(go, "BUILD_TIMEOUT_S", 0.0)
    with pytest.raises(components.ComponentError, match="not done within 0 s"):
        go.build(_module(tmp_path, "package main\n\nfunc main() {}\n"), tmp_path / "made")


def test_without_go_one_learns_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setattr(go, "_PLACES", ())
    go.find.cache_clear()
    with pytest.raises(components.LackError, match=r"no Go here.*https://go.dev/dl/"):
        go.find()


def _module(folder: Path, source: str) -> Program:
    """A Go module of one program."""
    (folder / "go.mod").write_text("module test\n\ngo 1.24\n")
    (folder / "main.go").write_text(source)
    return Program(str(folder), version="v1.0.0")
