"""The parts of the resource manager kubernetes that speak with something: with stand-ins for it."""

from __future__ import annotations

import http.server
import json
import ssl
import subprocess
import sys
import tarfile
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path, PurePosixPath
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

from continuum.connection.base import Completed
from continuum.errors import CommandFailed, DeployError
from continuum.rundir import node_metrics
from continuum.rundir.run import Run
from continuum.software import oci
from continuum.software.oci.archive import ArchiveError
from resource_manager.kubernetes import (
    api_client,
    kube_version,
    monitoring,
    node_files,
    node_transfer,
    pki,
    readiness,
)
from resource_manager.kubernetes.node_files import Cluster
from tests.unit.resource_manager.test_kubernetes import OWN, SHARED, SLOW, cluster


class Node:
    """Remembers what is run on it and put onto it."""

    host_clock = True

    def __init__(self, node: str = "cloud1", fails: str = "") -> None:
        self.node, self.fails = node, fails
        self.ran: list[list[str]] = []
        self.files: dict[str, bytes] = {}

    def run(self, argv: list[str], *, timeout: float, **_: Any) -> Completed:
        self.ran.append(list(argv))
        if self.fails:
            raise CommandFailed(self.node, argv, 1, self.fails)
        store = str(node_transfer.STORE)
        missing = [word for word in argv[5:] if f"{store}/{word}" not in self.files]
        return Completed(tuple(argv), 0, "\n".join(missing), "")

    def put(self, src: Path, dst: PurePosixPath) -> None:
        assert str(dst) not in self.files, "it was there"
        self.files[str(dst)] = src.read_bytes()


def test_a_file_is_copied_once_under_however_many_names(tmp_path: Path) -> None:
    for name in ("kubelet", "kubeadm"):
        (tmp_path / name).write_text("one program")
    wanted = {name: tmp_path / name for name in ("kubelet", "kubeadm")}
    node = Node()
    node_transfer.programs(node, wanted)  # type: ignore[arg-type]
    node_transfer.programs(node, wanted)  # type: ignore[arg-type]
    assert list(node.files.values()) == [b"one program"]
    assert node.ran[-1][-1] == "/usr/local/bin/kubeadm"


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (
            "ctr: write /x: no space left on device",
            "cloud1: its engine imports no image; give its disk more room",
        ),
        ("ctr: unexpected EOF", "cloud1: its engine imports no image: "),
    ],
)
def test_an_image_that_is_not_taken_is_told_of(tmp_path: Path, said: str, expected: str) -> None:
    (tmp_path / "image.tar").write_text("x")
    node = Node(fails=said)
    with pytest.raises(DeployError, match=expected):
        node_transfer.images(node, [tmp_path / "image.tar"], timeout_scale=1)  # type: ignore[arg-type]


def images_of(tmp_path: Path, *names: str) -> list[Path]:
    shared = oci.from_files({"/shared": "s" * 100_000}, tmp_path / "layers")
    made = []
    for name in names:
        own = oci.from_files({f"/{name}": name}, tmp_path / "layers")
        start = oci.ImageConfig(entrypoint=(f"/{name}",))
        made.append(oci.write(tmp_path / f"{name}.tar", f"example.org/{name}:1", [shared, own], start).path)
    return made


def test_images_in_one_archive_share_their_layers(tmp_path: Path) -> None:
    parts = images_of(tmp_path, "a", "b")
    merged = oci.merge(tmp_path / "both.tar", parts)
    assert oci.references(merged) == ("example.org/a:1", "example.org/b:1")
    assert merged.stat().st_size < 1.5 * parts[0].stat().st_size
    with tarfile.open(merged) as archive:
        names = archive.getnames()
        assert len(names) == len(set(names))
        for_docker = json.load(archive.extractfile("manifest.json"))  # type: ignore[arg-type]
    assert [one["RepoTags"] for one in for_docker] == [["example.org/a:1"], ["example.org/b:1"]]
    again = oci.merge(tmp_path / "again.tar", parts)
    assert again.read_bytes() == merged.read_bytes()


def test_an_archive_of_another_form_is_put_there_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    old = tmp_path / "old.tar"
    with tarfile.open(old, "w"):
        pass
    parts = images_of(tmp_path, "a")
    with pytest.raises(ArchiveError, match=r"old\.tar: not an OCI layout"):
        oci.merge(tmp_path / "x.tar", [*parts, old])
    assert node_transfer.together([*parts, old]) == [*parts, old]
    (one,) = node_transfer.together(parts)
    assert node_transfer.together(parts) == [one]


def test_the_authority_and_the_token_are_made_once(tmp_path: Path) -> None:
    first, second = pki.make(Run(tmp_path)), pki.make(Run(tmp_path))
    assert first == second
    assert first.fingerprint.startswith("sha256:")
    assert first.key.stat().st_mode & 0o077 == 0
    assert first.key.parent.stat().st_mode & 0o077 == 0
    head, _, tail = first.token.partition(".")
    assert (len(head), len(tail)) == (6, 16)


def test_kubeconfigs_lead_to_this_machine_and_are_private(tmp_path: Path) -> None:
    text = "clusters:\n- cluster:\n    certificate-authority-data: eA==\n    server: https://10.78.0.1:6443\n"
    way = SimpleNamespace(run=lambda *_, **__: SimpleNamespace(stdout=text))
    path = api_client.fetch_kubeconfig(way, Run(tmp_path))  # type: ignore[arg-type]
    assert yaml.safe_load(path.read_text())["clusters"][0]["cluster"]["server"] == "https://127.0.0.1:6443"
    assert path.stat().st_mode & 0o077 == 0


def listing(*items: Any) -> Any:
    """A stand-in for a method of the API that lists objects, and for watching it."""
    return lambda **_: SimpleNamespace(items=list(items), metadata=SimpleNamespace(resource_version="1"))


def node(name: str, status: str, message: str = "") -> Any:
    ready = SimpleNamespace(type="Ready", status=status, message=message)
    return SimpleNamespace(metadata=SimpleNamespace(name=name), status=SimpleNamespace(conditions=[ready]))


def test_a_worker_that_never_joins_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("kubernetes")
    monkeypatch.setattr(readiness, "_changes", lambda *_: iter(()))
    there = listing(node("cloud0", "True"), node("cloud1", "False", "cni plugin not initialized"))
    api: Any = SimpleNamespace(core=SimpleNamespace(list_node=there), timeout_scale=1.0)
    with pytest.raises(DeployError) as refused:
        readiness.nodes_ready(api, ["cloud0", "cloud1", "cloud2"], 0.1)
    said = str(refused.value)
    assert "cloud1: cni plugin not initialized; cloud2: it has not joined the cluster" in said
    assert "cloud0" not in said
    readiness.nodes_ready(api, ["cloud0"], 10)


@pytest.fixture
def apiserver(tmp_path: Path) -> Iterator[tuple[int, list[str]]]:
    """The port of something that answers as an API server does, and what it answers."""
    trust = pki.make(Run(tmp_path))
    answers: list[str] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(answers[0].encode())
            del answers[1:0]

        def log_message(self, *_: Any) -> None:
            pass

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(trust.certificate, trust.key)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_port, answers
        server.shutdown()


def waits(tmp_path: Path, port: int, monkeypatch: pytest.MonkeyPatch) -> subprocess.CompletedProcess[str]:
    """What a worker does before it joins, against a control plane on this machine."""
    monkeypatch.setattr(node_files, "JOIN_TIMEOUT_S", 1)
    whole = cluster(tmp_path)
    text = node_files.of_node(whole.members[1], SHARED, whole)["/etc/continuum/join.sh"][0].decode()
    text = text.replace("10.78.0.1:6443", f"127.0.0.1:{port}")
    program = text.partition("<<'END'\n")[2].partition("\nEND\n")[0]
    return subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False
    )


def test_a_worker_goes_on_when_the_control_plane_knows_the_token(
    tmp_path: Path, apiserver: tuple[int, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    port, answers = apiserver
    answers[:] = ['{"data": {"jws-kubeconfig-abcdef": "..."}}']
    assert waits(tmp_path, port, monkeypatch).returncode == 0
    answers[:] = ["{}"]
    done = waits(tmp_path, port, monkeypatch)
    assert done.returncode == 1
    assert "it does not know the token of this cluster yet" in done.stderr


def test_a_control_plane_that_does_not_come_up_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = waits(tmp_path, 1, monkeypatch)
    assert done.returncode == 1
    assert "the control plane cloud0 (10.78.0.1) did not come up within 1 s: " in done.stderr
    assert "refused" in done.stderr


def becomes_control_plane(tmp_path: Path, whole: Cluster, port: int) -> list[str]:
    """What a control plane asks of kubeadm, whose place another program takes."""
    kubeadm = tmp_path / "kubeadm"
    kubeadm.write_text(f'#!/bin/sh\necho "$*" >>{tmp_path}/asked\n')
    kubeadm.chmod(0o755)
    text = node_files.of_node(whole.members[0], OWN, whole)["/etc/continuum/join.sh"][0].decode()
    text = text.replace("10.78.0.1:6443", f"127.0.0.1:{port}").replace("/etc/continuum/joined", "joined")
    path = f"{tmp_path}:{Path(sys.executable).parent}:/usr/bin:/bin"
    subprocess.run(["sh"], input=text, text=True, check=True, timeout=60, cwd=tmp_path, env={"PATH": path})
    asked = (tmp_path / "asked").read_text().replace(" --config /etc/continuum/kubeadm.yml", "").splitlines()
    (tmp_path / "asked").unlink()
    return asked


def test_on_slow_nodes_the_rest_of_the_control_plane_waits_for_the_api_server(
    tmp_path: Path, apiserver: tuple[int, list[str]]
) -> None:
    port, answers = apiserver
    answers[:] = ["ok"]
    quick = cluster(tmp_path)
    assert becomes_control_plane(tmp_path, quick, port) == ["init"]
    members = tuple(replace(member, node=SLOW(member.node)) for member in quick.members)
    *first, last = becomes_control_plane(tmp_path, replace(quick, members=members), port)
    phases = [line.removeprefix("init phase ") for line in first]
    assert phases[-2:] == ["control-plane apiserver", "kubelet-start"]
    assert "scheduler" not in " ".join(phases)
    done = "preflight,certs,kubeconfig,etcd,control-plane/apiserver,kubelet-start"
    assert last == f"init --skip-phases {done}"
    assert [phase.split()[0] for phase in phases] == [part.split("/")[0] for part in done.split(",")]


def test_monitoring_asks_every_node_and_is_absent_unless_asked_for(tmp_path: Path) -> None:
    whole = cluster(tmp_path)
    plain = node_files.of_node(whole.members[0], SHARED, whole)
    assert "/etc/continuum/prometheus.yml" not in plain
    watched = replace(whole, observes_every_s=2)
    made = node_files.of_node(watched.members[0], OWN, watched)
    jobs = yaml.safe_load(made["/etc/continuum/prometheus.yml"][0])["scrape_configs"]
    assert [job["job_name"] for job in jobs] == ["containers", "kubelet", "node"]
    for job in jobs:
        assert [one["labels"]["node"] for one in job["static_configs"]] == [m.name for m in watched.members]
    assert "/etc/continuum/prometheus.yml" not in node_files.of_node(watched.members[1], OWN, watched)
    assert node_files.kubelet_arguments(watched.members[1], OWN, 2)["housekeeping-interval"] == "2s"


def test_what_was_observed_is_kept_and_read_again(tmp_path: Path) -> None:
    answer = {
        "data": {"result": [{"metric": {"node": "cloud0"}, "values": [[1000.5, "0.25"], [1002.5, "1"]]}]}
    }
    series = list(monitoring.parse("CPU", "cores", answer, 1000.0))
    node_metrics.write(tmp_path, series)
    (again,) = node_metrics.read(tmp_path)
    assert (again.metric, again.node, again.points) == ("CPU", "cloud0", ((0.5, 0.25), (2.5, 1.0)))
    assert node_metrics.read(tmp_path / "nowhere") == []


def test_observations_are_drawn(tmp_path: Path) -> None:
    from continuum.model.result import Result
    from continuum.report import plots

    series = [
        node_metrics.Series(metric, unit, node, ((0.0, 1.0), (2.0, 0.5)))
        for metric, unit in (("CPU", "cores"), ("memory", "MiB"))
        for node in ("cloud0", "cloud1")
    ]
    (plot,) = plots.draw(Result("x"), [], tmp_path, (), series)
    assert plot.path.name == "nodes.png"
    for word in ("CPU (cores)", "memory (MiB)", "cloud1"):
        assert word in plot.svg


def test_the_dashboard_shows_what_is_kept() -> None:
    board = json.loads((monitoring.HERE / "grafana-dashboard.json").read_text())
    shown = [panel["targets"][0]["expr"] for panel in board["panels"]]
    assert shown == [query for _, _, query in monitoring.QUERIES]
    assert board["templating"]["list"][0]["query"] == "prometheus"


def test_the_table_of_releases_has_a_default_that_is_not_the_oldest() -> None:
    from continuum.software import artifacts

    assert artifacts.known(kube_version.HERE)[-1] != artifacts.versions(kube_version.HERE)[0].version
