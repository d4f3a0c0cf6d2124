"""The components that other tests install: each starts, says its version, and together they answer."""

from __future__ import annotations

import os
import secrets
import signal
import socket
import subprocess
import tarfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from continuum import oci
from continuum.artifacts import Artifact
from tests.e2e import components
from tests.e2e.components import go
from tests.e2e.components.catalogue import CNI_PLUGINS, COMPONENTS, PROGRAMS, Program, version_of

pytestmark = [pytest.mark.providers, pytest.mark.root]

DEADLINE_S = 60.0
POLL_S = 0.1
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

Run = Callable[[str, Sequence[str]], subprocess.CompletedProcess[str]]


@pytest.fixture(scope="session")
def unpacked(cluster_artifacts: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Unpacks an image once, and says where its root is."""
    done: dict[str, Path] = {}

    def unpack(name: str) -> Path:
        if name not in done:
            done[name] = tmp_path_factory.mktemp(name)
            archive = oci.Archive(_file(cluster_artifacts, name))
            for layer in archive.layers:
                with archive.blob(layer) as blob, tarfile.open(fileobj=blob) as files:
                    files.extractall(done[name], filter="tar")
        return done[name]

    return unpack


@pytest.fixture
def run(cluster_artifacts: Path, unpacked: Callable[[str], Path], tmp_path: Path) -> Run:
    """Runs an artifact: a program as what it is called, or one of an image with nothing else around it."""

    def run(name: str, arguments: Sequence[str]) -> subprocess.CompletedProcess[str]:
        if COMPONENTS[name].kind == "image":
            argv = ["chroot", str(unpacked(name)), *arguments]
        else:
            argv = [str(_named(cluster_artifacts, name, tmp_path)), *arguments]
        return subprocess.run(argv, capture_output=True, text=True, check=True, timeout=DEADLINE_S)

    return run


@pytest.mark.parametrize("name", VERSIONS)
def test_says_the_version_that_is_pinned(name: str, run: Run) -> None:
    done = run(name, VERSIONS[name])
    assert version_of(PROGRAMS[COMPONENTS[name].program]).lstrip("v") in done.stdout + done.stderr


@pytest.mark.parametrize("name", ["kube-proxy", "flannel"])
@pytest.mark.parametrize("command", ["iptables", "iptables-restore", "ip6tables-save", "nft"])
def test_images_hold_the_commands_that_their_programs_call(name: str, command: str, run: Run) -> None:
    assert "1." in run(name, [command, "--version"]).stdout


def test_images_have_the_names_that_kubeadm_expects(run: Run) -> None:
    version = components.known("kubeadm").version
    listed = run("kubeadm", ["config", "images", "list", "--kubernetes-version", version])
    ours = {components.known(name).image for name in COMPONENTS if COMPONENTS[name].kind == "image"}
    assert set(listed.stdout.split()) <= ours


def test_a_file_is_copied_onto_the_node(unpacked: Callable[[str], Path], run: Run) -> None:
    run("flannel-cni-plugin", ["/bin/cp", "-f", "/flannel", "/copied"])
    root = unpacked("flannel-cni-plugin")
    assert (root / "copied").read_bytes() == (root / "flannel").read_bytes()
    assert os.access(root / "copied", os.X_OK)


def test_pause_ends_when_told_to_and_reaps_until_then(unpacked: Callable[[str], Path]) -> None:
    process = subprocess.Popen(["chroot", str(unpacked("pause")), "/pause"])
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(0.5)
    process.send_signal(signal.SIGCHLD)
    process.terminate()
    assert process.wait(DEADLINE_S) == 0


def test_network_plugins_say_what_they_support(
    cluster_artifacts: Path, unpacked: Callable[[str], Path], tmp_path: Path
) -> None:
    with tarfile.open(_file(cluster_artifacts, "cni-plugins")) as archive:
        archive.extractall(tmp_path, filter="tar")
    for plugin in (*(tmp_path / name for name in CNI_PLUGINS), unpacked("flannel-cni-plugin") / "flannel"):
        assert '"0.4.0"' in _supported(plugin)


def test_the_api_server_is_ready_with_etcd(
    unpacked: Callable[[str], Path], cluster_artifacts: Path, tmp_path: Path
) -> None:
    kubeadm = _named(cluster_artifacts, "kubeadm", tmp_path)
    keys = tmp_path / "pki"
    command = [str(kubeadm), "init", "phase", "certs", "sa", "--cert-dir", str(keys)]
    subprocess.run(command, check=True, capture_output=True, timeout=DEADLINE_S)
    clients, peers, secure = _free_port(), _free_port(), _free_port()
    token = secrets.token_hex()
    (tmp_path / "tokens.csv").write_text(f'{token},admin,1,"system:masters"\n')
    etcd = [
        str(unpacked("etcd") / "usr/local/bin/etcd"),
        f"--data-dir={tmp_path / 'etcd'}",
        f"--listen-client-urls=http://127.0.0.1:{clients}",
        f"--advertise-client-urls=http://127.0.0.1:{clients}",
        f"--listen-peer-urls=http://127.0.0.1:{peers}",
        f"--initial-advertise-peer-urls=http://127.0.0.1:{peers}",
        f"--initial-cluster=default=http://127.0.0.1:{peers}",
    ]
    server = [
        str(unpacked("kube-apiserver") / "usr/local/bin/kube-apiserver"),
        f"--etcd-servers=http://127.0.0.1:{clients}",
        "--bind-address=127.0.0.1",
        f"--secure-port={secure}",
        f"--cert-dir={tmp_path / 'certs'}",
        "--authorization-mode=RBAC",
        f"--token-auth-file={tmp_path / 'tokens.csv'}",
        "--service-cluster-ip-range=10.96.0.0/16",
        "--service-account-issuer=https://kubernetes.default.svc",
        f"--service-account-key-file={keys / 'sa.pub'}",
        f"--service-account-signing-key-file={keys / 'sa.key'}",
    ]
    kubectl = _named(cluster_artifacts, "kubectl", tmp_path)
    ask = [
        *(str(kubectl), f"--server=https://127.0.0.1:{secure}", f"--token={token}"),
        *("--insecure-skip-tls-verify", "get"),
    ]
    with _daemon(etcd, tmp_path / "etcd.log"), _daemon(server, tmp_path / "apiserver.log") as log:
        assert _answer([*ask, "--raw", "/readyz"], log) == "ok"
        assert components.known("kubectl").version in _answer([*ask, "--raw", "/version"], log)
        assert "kube-system" in _answer([*ask, "namespaces", "--output", "name"], log)


def test_what_is_in_the_cache_is_not_built_again(tmp_path: Path) -> None:
    said: list[str] = []
    components.provide(tmp_path, ["pause"], say=lambda line: None)
    components.provide(tmp_path, ["pause"], say=said.append)
    assert said == []


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


def test_an_unknown_name_is_told_with_those_there_are() -> None:
    with pytest.raises(components.ComponentError, match=r"nothing is called kubelot; there are .*kubelet"):
        components.names(["kubelot"])


def _module(folder: Path, source: str) -> Program:
    """A Go module of one program."""
    (folder / "go.mod").write_text("module test\n\ngo 1.24\n")
    (folder / "main.go").write_text(source)
    return Program(str(folder), version="v1.0.0")


def _file(folder: Path, name: str) -> Path:
    artifact: Artifact = components.known(name)
    return folder / artifact.file


def _named(folder: Path, name: str, to: Path) -> Path:
    """A program under its own name, by which it knows what it is."""
    link = to / name
    if not link.is_symlink():
        link.symlink_to(_file(folder, name))
    return link


def _supported(plugin: Path) -> str:
    """What a network plugin says of the versions it knows."""
    done = subprocess.run(
        [str(plugin)],
        input='{"cniVersion": "0.4.0"}',
        env={"CNI_COMMAND": "VERSION"},
        capture_output=True,
        text=True,
        check=True,
        timeout=DEADLINE_S,
    )
    return done.stdout


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def _daemon(argv: Sequence[str], log: Path) -> Iterator[Path]:
    with log.open("w") as file:
        process = subprocess.Popen(argv, stdout=file, stderr=file, cwd=log.parent)
    try:
        yield log
    finally:
        process.terminate()
        try:
            process.wait(DEADLINE_S)
        finally:
            process.kill()
            process.wait()


def _answer(argv: Sequence[str], log: Path) -> str:
    """What a command says once it succeeds."""
    deadline = time.monotonic() + DEADLINE_S
    while True:
        done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=DEADLINE_S)
        if done.returncode == 0:
            return done.stdout
        tail = log.read_text(errors="replace")[-2000:]
        assert time.monotonic() < deadline, f"{done.stderr}\n{tail}"
        time.sleep(POLL_S)
