"""What can be built: programs from Go packages, and artifacts made of them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

SOURCES = Path(__file__).parent / "go"
"""Go modules of our own, one folder each."""


@dataclass(frozen=True)
class Program:
    """A program that Go builds.

    Attributes:
        module: the Go module of ours that pins what it is made of; a folder of ``SOURCES``.
        package: its main package, in that module or one that it requires.
        source: the Go module whose version is this program's.
        version: the release it stands in for, where no module has that version.
        stamp: variables that the linker sets, with ``{version}``, ``{major}`` and ``{minor}``.
        cgo: whether some of it is C, so that a C compiler is needed.
        extended: a Go module that is published only in an older version than this program needs; what it
            lacks is in ``_additions`` of our module, and is added to a copy of it.
    """

    module: str
    package: str = "."
    source: str = ""
    version: str = ""
    stamp: tuple[str, ...] = ()
    cgo: bool = False
    extended: str = ""

    @property
    def folder(self) -> Path:
        """Where its Go module is."""
        return SOURCES / self.module


@dataclass(frozen=True)
class Component:
    """An artifact.

    Attributes:
        kind: what form it has.
        program: the program it has its version of.
        files: for an image or archive: by path in it, the program to be found there.
        texts: for an image: by path in it, what else is there.
        links: for an image: by path in it, where a link leads.
        packages: for an image: Debian packages it needs, which are unpacked in it.
        image: reference of an image, with ``{version}``.
        entrypoint: what a container of the image starts.
        url: of an archive: the release that it stands in for.
    """

    kind: Literal["binary", "image", "archive"]
    program: str
    files: Mapping[str, str] = field(default_factory=dict)
    texts: Mapping[str, str] = field(default_factory=dict)
    links: Mapping[str, str] = field(default_factory=dict)
    packages: tuple[str, ...] = ()
    image: str = ""
    entrypoint: tuple[str, ...] = ()
    url: str = ""

    def programs(self) -> tuple[str, ...]:
        """All programs it is made of."""
        return tuple(dict.fromkeys((self.program, *self.files.values())))


def _versions(*packages: str) -> tuple[str, ...]:
    """The variables by which Kubernetes' packages know their version."""
    numbers = {"gitVersion": "{version}", "gitMajor": "{major}", "gitMinor": "{minor}"}
    values = {**numbers, "gitTreeState": "clean"}
    return tuple(f"{package}.{name}={value}" for package in packages for name, value in values.items())


OPENFAAS = "github.com/openfaas"
GVISOR = "gvisor.dev/gvisor"
CNI = "github.com/containernetworking/plugins"
CNI_PLUGINS = {
    "bridge": "main",
    "loopback": "main",
    "ptp": "main",
    "host-local": "ipam",
    "portmap": "meta",
    "bandwidth": "meta",
    "firewall": "meta",
    "tuning": "meta",
}

PROGRAMS: Mapping[str, Program] = {
    "kubernetes": Program(
        "kubernetes",
        source="k8s.io/kubernetes",
        stamp=_versions("k8s.io/component-base/version", "k8s.io/client-go/pkg/version"),
    ),
    "coredns": Program("coredns", source="github.com/coredns/coredns"),
    "flannel": Program(
        "flannel",
        "github.com/flannel-io/flannel",
        source="github.com/flannel-io/flannel",
        stamp=("github.com/flannel-io/flannel/pkg/version.Version={version}",),
        cgo=True,
    ),
    "etcd": Program("etcd", source="go.etcd.io/etcd/server/v3"),
    "small": Program("small", version="3.10"),
    "kwok": Program(
        "kwok",
        "sigs.k8s.io/kwok/cmd/kwok",
        source="sigs.k8s.io/kwok",
        stamp=("sigs.k8s.io/kwok/pkg/consts.Version={plain}",),
    ),
    "gateway": Program(
        "openfaas",
        f"{OPENFAAS}/faas/gateway",
        version="0.26.3",
        stamp=(f"{OPENFAAS}/faas/gateway/version.Version={{version}}",),
    ),
    "queue-worker": Program(
        "openfaas",
        f"{OPENFAAS}/nats-queue-worker",
        source=f"{OPENFAAS}/nats-queue-worker",
        stamp=(f"{OPENFAAS}/nats-queue-worker/version.Version={{version}}",),
    ),
    "nats-streaming": Program(
        "openfaas",
        "github.com/nats-io/nats-streaming-server",
        source="github.com/nats-io/nats-streaming-server",
    ),
    "faas-netes": Program(
        "faas-netes",
        f"{OPENFAAS}/faas-netes",
        version="0.15.2",
        stamp=(f"{OPENFAAS}/faas-netes/version.Version={{version}}",),
    ),
    "fwatchdog": Program("of-watchdog", version="0.9.15"),
    "runsc": Program(
        "gvisor",
        f"{GVISOR}/runsc",
        source=GVISOR,
        stamp=(f"{GVISOR}/runsc/version.version={{version}}",),
    ),
    "containerd-shim-runsc-v1": Program("gvisor", f"{GVISOR}/shim", source=GVISOR),
    "kubeedge": Program(
        "kubeedge",
        source="github.com/kubeedge/kubeedge",
        stamp=_versions("github.com/kubeedge/kubeedge/pkg/version"),
        cgo=True,
        extended="github.com/kubeedge/beehive",
    ),
    # It moved to a module of its own later, of which no published version is available everywhere.
    "flannel-cni": Program("flannel-cni", f"{CNI}/plugins/meta/flannel", version="v1.6.2-flannel1"),
    **{
        f"cni-{name}": Program("cni", f"{CNI}/plugins/{kind}/{name}", source=CNI)
        for name, kind in CNI_PLUGINS.items()
    },
}

_FILTERS = ("iptables", "nftables")
"""What kube-proxy and flannel call."""

_PARTS = ("kube-apiserver", "kube-controller-manager", "kube-scheduler", "kube-proxy")
_BIN = "/usr/local/bin"


def _kubernetes_image(name: str, packages: tuple[str, ...] = ()) -> Component:
    """All of these hold the same layer, of which a node keeps one copy."""
    return Component(
        "image",
        "kubernetes",
        files={f"{_BIN}/kubernetes": "kubernetes"},
        links={f"{_BIN}/{part}": "kubernetes" for part in _PARTS},
        packages=packages,
        image=f"registry.k8s.io/{name}:{{version}}",
        entrypoint=(f"{_BIN}/{name}",),
    )


_CLUSTER: Mapping[str, Component] = {
    "kubeadm": Component("binary", "kubernetes"),
    "kubelet": Component("binary", "kubernetes"),
    "kubectl": Component("binary", "kubernetes"),
    **{name: _kubernetes_image(name) for name in _PARTS[:3]},
    "kube-proxy": _kubernetes_image("kube-proxy", _FILTERS),
    "etcd": Component(
        "image",
        "etcd",
        files={f"{_BIN}/etcd": "etcd"},
        image="registry.k8s.io/etcd:{plain}-0",
        entrypoint=(f"{_BIN}/etcd",),
    ),
    "coredns": Component(
        "image",
        "coredns",
        files={"/coredns": "coredns"},
        image="registry.k8s.io/coredns/coredns:{version}",
        entrypoint=("/coredns",),
    ),
    "pause": Component(
        "image",
        "small",
        files={"/pause": "small"},
        image="registry.k8s.io/pause:{version}",
        entrypoint=("/pause",),
    ),
    "flannel": Component(
        "image",
        "flannel",
        files={"/opt/bin/flanneld": "flannel", "/bin/cp": "small"},
        packages=_FILTERS,
        image="ghcr.io/flannel-io/flannel:{version}",
        entrypoint=("/opt/bin/flanneld",),
    ),
    "flannel-cni-plugin": Component(
        "image",
        "flannel-cni",
        files={"/flannel": "flannel-cni", "/bin/cp": "small"},
        image="ghcr.io/flannel-io/flannel-cni-plugin:{version}",
        entrypoint=("/bin/cp",),
    ),
    "cni-plugins": Component(
        "archive",
        "cni-bridge",
        files={f"./{name}": f"cni-{name}" for name in CNI_PLUGINS},
        url="https://github.com/containernetworking/plugins/releases/cni-plugins-{version}.tgz",
    ),
}

_KUBEEDGE: Mapping[str, Component] = {
    "cloudcore": Component(
        "image",
        "kubeedge",
        files={f"{_BIN}/cloudcore": "kubeedge"},
        packages=_FILTERS,
        image="docker.io/kubeedge/cloudcore:{version}",
        entrypoint=(f"{_BIN}/cloudcore",),
    ),
    "edgecore": Component("binary", "kubeedge"),
    "keadm": Component("binary", "kubeedge"),
}

_KWOK: Mapping[str, Component] = {
    "kwok": Component("binary", "kwok"),
}

_GVISOR: Mapping[str, Component] = {
    "runsc": Component("binary", "runsc"),
    "containerd-shim-runsc-v1": Component("binary", "containerd-shim-runsc-v1"),
}


def _openfaas_image(name: str, image: str) -> Component:
    return Component("image", name, files={f"/{name}": name}, image=image, entrypoint=(f"/{name}",))


_OPENFAAS: Mapping[str, Component] = {
    "gateway": _openfaas_image("gateway", "ghcr.io/openfaas/gateway:{version}"),
    "faas-netes": _openfaas_image("faas-netes", "ghcr.io/openfaas/faas-netes:{version}"),
    "of-watchdog": _openfaas_image("fwatchdog", "ghcr.io/openfaas/of-watchdog:{version}"),
    "queue-worker": _openfaas_image("queue-worker", "ghcr.io/openfaas/queue-worker:{version}"),
    "nats-streaming": _openfaas_image("nats-streaming", "docker.io/library/nats-streaming:{plain}"),
}

COMPONENTS: Mapping[str, Component] = {**_CLUSTER, **_KUBEEDGE, **_OPENFAAS, **_KWOK, **_GVISOR}

GROUPS: Mapping[str, tuple[str, ...]] = {
    "cluster": tuple(_CLUSTER),
    "kubeedge": tuple(_KUBEEDGE),
    "openfaas": tuple(_OPENFAAS),
    "gvisor": tuple(_GVISOR),
}
"""Names for several artifacts together; ``cluster`` is what kubeadm needs."""


def version_of(program: Program) -> str:
    """The version of a program, as its module pins it.

    Raises:
        ValueError: the module does not say, a mistake in the catalogue.
    """
    if program.version:
        return program.version
    text = (program.folder / "go.mod").read_text(encoding="utf-8")
    found = re.search(rf"^\s*(?:require )?{re.escape(program.source)} (v\S+)", text, re.MULTILINE)
    if not found:
        raise ValueError(f"{program.folder}/go.mod requires no {program.source}")
    return found.group(1)
