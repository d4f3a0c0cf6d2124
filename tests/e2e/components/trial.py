"""Starts components by themselves, to try them: programs of images, an API server with etcd."""

from __future__ import annotations

import json
import secrets
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from continuum.software import oci
from tests.e2e.components.build import known

DEADLINE_S = 60.0
POLL_S = 0.1
END_S = 5.0
_ASK = """\
import sys, urllib.request
url, *body = sys.argv[1:]
kind = {"Content-Type": "application/json"}
asked = urllib.request.Request(url, "".join(body).encode() if body else None, kind)
print(urllib.request.urlopen(asked, timeout=10).read().decode())
"""


class Unpacked:
    """Programs of a folder of artifacts, each image unpacked once.

    Args:
        artifacts: the folder.
        folder: where images are unpacked.
    """

    def __init__(self, artifacts: Path, folder: Path) -> None:
        self.artifacts = artifacts
        self._folder = folder

    def file(self, name: str) -> Path:
        """An artifact as it is in the folder."""
        return self.artifacts / known(name).file

    def root(self, name: str) -> Path:
        """The root file system of an image."""
        root = self._folder / name
        if not root.exists():
            root.mkdir()
            archive = oci.Archive(self.file(name))
            for layer in archive.layers:
                with archive.blob(layer) as blob, tarfile.open(fileobj=blob) as files:
                    files.extractall(root, filter="tar")
        return root

    def program(self, name: str) -> Path:
        """A program that is an artifact, under its own name, by which it knows what it is."""
        link = self._folder / "bin" / name
        link.parent.mkdir(exist_ok=True)
        if not link.is_symlink():
            link.symlink_to(self.file(name))
        return link


@contextmanager
def network() -> Iterator[Network]:
    """A network namespace of one's own, with a loopback interface, in which every port is free."""
    with subprocess.Popen(["unshare", "--net", "cat"], stdin=subprocess.PIPE) as holder:
        space = Path(f"/proc/{holder.pid}/ns/net")
        deadline = time.monotonic() + DEADLINE_S
        while space.samefile("/proc/self/ns/net"):
            assert time.monotonic() < deadline, f"no network namespace after {DEADLINE_S} s"
            time.sleep(POLL_S)
        made = Network(("nsenter", f"--net={space}", "--"))
        made.run(["ip", "link", "set", "lo", "up"])
        yield made
        holder.kill()


@dataclass(frozen=True)
class Network:
    """Where programs are run so that their ports disturb nobody.

    Attributes:
        prefix: what commands in it begin with.
    """

    prefix: tuple[str, ...]

    def run(self, argv: Sequence[str | Path], stdin: str = "") -> str:
        """What a command says on both outputs; it must succeed."""
        done = subprocess.run(
            [*self.prefix, *argv],
            input=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=DEADLINE_S,
        )
        assert done.returncode == 0, f"{argv}: exit status {done.returncode}\n{done.stdout}"
        return done.stdout

    def ask(self, url: str, body: str | None = None) -> str:
        """What an HTTP server answers."""
        return self.run([sys.executable, "-c", _ASK, url, *([] if body is None else [body])])

    @contextmanager
    def daemon(
        self, argv: Sequence[str | Path], log: Path, environment: Mapping[str, str] | None = None
    ) -> Iterator[Path]:
        """Runs a program until the end of the block; its output is in the log."""
        with log.open("w") as file:
            command = [*self.prefix, *argv]
            process = subprocess.Popen(command, stdout=file, stderr=file, cwd=log.parent, env=environment)
        try:
            yield log
        finally:
            process.terminate()
            with suppress(subprocess.TimeoutExpired):  # some only end when told twice
                process.wait(END_S)
            process.kill()
            process.wait()


HERE = Network(())
"""No network of its own."""


def eventually(what: Callable[[], str], wanted: str, log: Path) -> None:
    """Wait until something says what is wanted; the end of a log says why it does not."""
    deadline = time.monotonic() + DEADLINE_S
    while True:
        try:
            found = what()
            if wanted in found:
                return
        except (AssertionError, OSError) as error:
            found = str(error)
        tail = log.read_text(errors="replace")[-3000:]
        assert time.monotonic() < deadline, f"no {wanted!r} in {found!r} after {DEADLINE_S} s\n{tail}"
        time.sleep(POLL_S)


@dataclass(frozen=True)
class ControlPlane:
    """An API server with etcd, and nothing else of a cluster.

    Attributes:
        kubeconfig: with which one is its administrator.
        network: where it is.
        program: kubectl.
        log: of the API server.
    """

    kubeconfig: Path
    network: Network
    program: Path
    log: Path

    def kubectl(self, *arguments: str, stdin: str = "") -> str:
        """What kubectl says; it must succeed."""
        return self.network.run([self.program, f"--kubeconfig={self.kubeconfig}", *arguments], stdin)


@contextmanager
def control_plane(unpacked: Unpacked, folder: Path) -> Iterator[ControlPlane]:
    """An API server in a network of its own, ready."""
    token = secrets.token_hex()
    (folder / "tokens.csv").write_text(f'{token},admin,1,"system:masters"\n')
    (folder / "kubeconfig").write_text(_kubeconfig("https://127.0.0.1:6443", token))
    etcd = [str(unpacked.root("etcd") / "usr/local/bin/etcd"), "--unsafe-no-fsync"]
    keys = ["init", "phase", "certs", "sa", f"--kubernetes-version={known('kubeadm').version}"]
    HERE.run([unpacked.program("kubeadm"), *keys, f"--cert-dir={folder}"])
    with ExitStack() as parts:
        space = parts.enter_context(network())
        parts.enter_context(space.daemon(etcd, folder / "etcd.log"))
        log = parts.enter_context(space.daemon(_server(unpacked, folder), folder / "apiserver.log"))
        made = ControlPlane(folder / "kubeconfig", space, unpacked.program("kubectl"), log)
        eventually(lambda: made.kubectl("get", "--raw", "/readyz"), "ok", log)
        yield made


def _server(unpacked: Unpacked, folder: Path) -> list[str]:
    return [
        str(unpacked.root("kube-apiserver") / "usr/local/bin/kube-apiserver"),
        *("--etcd-servers=http://127.0.0.1:2379", "--bind-address=127.0.0.1"),
        *(f"--cert-dir={folder / 'certs'}", f"--token-auth-file={folder / 'tokens.csv'}"),
        *("--authorization-mode=RBAC", "--service-cluster-ip-range=10.96.0.0/16"),
        *("--advertise-address=192.0.2.1", "--service-account-issuer=https://kubernetes.default.svc"),
        f"--service-account-key-file={folder / 'sa.pub'}",
        f"--service-account-signing-key-file={folder / 'sa.key'}",
    ]


def _kubeconfig(url: str, token: str) -> str:
    """JSON, which is YAML too."""
    return json.dumps(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "test", "cluster": {"server": url, "insecure-skip-tls-verify": True}}],
            "users": [{"name": "admin", "user": {"token": token}}],
            "contexts": [{"name": "test", "context": {"cluster": "test", "user": "admin"}}],
            "current-context": "test",
        }
    )
