"""What goes into a package: pure parts, and the store with wheels made here."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import subprocess
import sys
import tarfile
import zipfile
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path, PurePosixPath
from typing import Any

import pytest

from continuum.connection import Completed
from continuum.errors import CommandFailed, DeployError
from continuum.module import Deployment, Node, Workload
from continuum.packages import build, deliver, interpreter, lock, store
from continuum.packages.interpreter import Interpreter
from continuum.topology import NodeSpec, Topology

LIBRARY = "continuum-test-library"
DEBIAN = Interpreter("cpython", (3, 11, 2), "x86_64", "glibc", (2, 36))


def this_interpreter() -> Interpreter:
    return interpreter.parse(subprocess.check_output([sys.executable, "-c", interpreter.PROBE], text=True))


def test_the_probe_tells_of_this_interpreter() -> None:
    found = this_interpreter()
    assert found.version == sys.version_info[:3]
    assert found.machine == os.uname().machine
    assert interpreter.from_json(json.loads(json.dumps(found.to_json()))) == found


@pytest.mark.parametrize("said", ["", "Python 3.11", "{}"])
def test_what_is_no_answer_of_the_probe_is_refused(said: str) -> None:
    with pytest.raises(ValueError, match=r"not what the probe prints|Expecting"):
        interpreter.parse(said)


def test_platforms_begin_with_the_newest_the_libc_takes() -> None:
    tags = list(DEBIAN.platforms())
    assert tags[0] == "manylinux_2_36_x86_64"
    assert {"manylinux_2_17_x86_64", "manylinux2014_x86_64", "linux_x86_64"} <= set(tags)
    assert "manylinux_2_37_x86_64" not in tags


@pytest.mark.parametrize(
    ("libc", "version", "machine", "expected"),
    [
        ("glibc", (2, 36), "x86_64", "x86_64-manylinux_2_36"),
        ("glibc", (2, 26), "aarch64", "aarch64-manylinux_2_17"),
        ("glibc", (2, 99), "x86_64", "x86_64-manylinux_2_40"),
        ("musl", (1, 2), "x86_64", "x86_64-unknown-linux-musl"),
    ],
)
def test_platform_in_the_words_of_uv(
    libc: str, version: tuple[int, int], machine: str, expected: str
) -> None:
    assert Interpreter("cpython", (3, 11, 2), machine, libc, version).uv_platform() == expected


def test_musl_takes_musl_wheels_only() -> None:
    tags = list(Interpreter("cpython", (3, 12, 0), "aarch64", "musl", (1, 2)).platforms())
    assert tags == [*(f"musllinux_1_{minor}_aarch64" for minor in (2, 1, 0)), "linux_aarch64"]


@pytest.mark.parametrize(
    "other",
    [
        Interpreter("cpython", (3, 12, 0), "x86_64", "glibc", (2, 36)),
        Interpreter("cpython", (3, 11, 2), "aarch64", "glibc", (2, 36)),
        Interpreter("cpython", (3, 11, 2), "x86_64", "glibc", (2, 31)),
        Interpreter("cpython", (3, 11, 2), "x86_64", "musl", (1, 2)),
        Interpreter("pypy", (3, 11, 2), "x86_64", "glibc", (2, 36)),
    ],
)
def test_another_interpreter_is_refused_naming_both(other: Interpreter) -> None:
    with pytest.raises(DeployError) as refused:
        interpreter.refuse_mismatch("edge0", DEBIAN, other)
    assert str(DEBIAN) in str(refused.value)
    assert str(other) in str(refused.value)
    assert "edge0" in str(refused.value)


def test_a_newer_libc_and_another_micro_version_do() -> None:
    interpreter.refuse_mismatch(
        "edge0", DEBIAN, Interpreter("cpython", (3, 11, 9), "x86_64", "glibc", (2, 40))
    )


def test_a_python_that_is_too_old_is_refused_naming_both() -> None:
    with pytest.raises(DeployError, match=r"edge0 has CPython 3\.9 .* need Python 3\.10"):
        interpreter.refuse_old("edge0", Interpreter("cpython", (3, 9, 2), "x86_64", "glibc", (2, 31)))


def test_code_is_packed_alike_whenever_it_is_the_same(tmp_path: Path) -> None:
    source = tmp_path / "outer" / "inner"
    source.mkdir(parents=True)
    for name, text in (("__init__.py", ""), ("inner/__init__.py", ""), ("inner/part.py", "x = 1\n")):
        (tmp_path / "outer" / name).write_text(text)
    (source / "big.onnx").write_text("not code")
    (tmp_path / "outer" / "other.py").write_text("unwanted")
    first = build.pack_code(["outer.inner"], tmp_path)
    os.utime(source / "part.py", (1, 1))
    assert build.pack_code(["outer.inner"], tmp_path) == first
    with tarfile.open(fileobj=BytesIO(first)) as archive:
        assert archive.getnames() == ["outer/__init__.py", "outer/inner/__init__.py", "outer/inner/part.py"]
    (source / "part.py").write_text("x = 2\n")
    assert build.pack_code(["outer.inner"], tmp_path) != first


def test_code_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(DeployError, match=r"no module outer\.inner"):
        build.pack_code(["outer.inner"], tmp_path)


def test_commands_are_for_the_nodes_interpreter() -> None:
    resolving = lock.compile_command(Path("uv"), DEBIAN, Path("in"), Path("out"))
    assert resolving[resolving.index("--python-version") + 1] == "3.11"
    assert resolving[resolving.index("--python-platform") + 1] == "x86_64-manylinux_2_36"
    fetching = store.download_command(DEBIAN, Path("lock"), Path("to"))
    assert {"--no-deps", "--require-hashes", "--python-version=3.11", "--abi=cp311"} <= set(fetching)


def test_an_index_for_pip_is_one_for_uv() -> None:
    assert lock.environment({"PIP_INDEX_URL": "https://mirror/simple"})["UV_DEFAULT_INDEX"] == (
        "https://mirror/simple"
    )
    both = {"PIP_INDEX_URL": "https://mirror/simple", "UV_DEFAULT_INDEX": "https://own/simple"}
    assert lock.environment(both)["UV_DEFAULT_INDEX"] == "https://own/simple"


# With a node that is a folder of this host, and wheels made here: no network is needed.


def make_wheel(folder: Path, name: str, files: dict[str, bytes], tag: str = "py3-none-any") -> Path:
    path = folder / f"{name}-1.0-{tag}.whl"
    info = f"{name}-1.0.dist-info"
    files = {
        **files,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n".encode(),
        f"{info}/WHEEL": f"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: {tag}\n".encode(),
    }
    record = "".join(
        f"{file},sha256={base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b'=').decode()},{len(data)}\n"
        for file, data in files.items()
    )
    with zipfile.ZipFile(path, "w") as archive:
        for file, data in {**files, f"{info}/RECORD": f"{record}{info}/RECORD,,\n".encode()}.items():
            archive.writestr(file, data)
    return path


class FolderConnection:
    """A node that is this host, with everything it writes below one folder; counts what is copied."""

    host_clock = True

    def __init__(self, node: str, root: Path) -> None:
        self.node, self.root = node, root
        self.copied: list[str] = []

    def run(self, argv: Any, *, timeout: float, check: bool = True, stdin: bytes | None = None) -> Completed:
        done = subprocess.run(argv, capture_output=True, text=True, timeout=timeout, check=False)
        if check and done.returncode:
            raise CommandFailed(self.node, argv, done.returncode, done.stderr)
        return Completed(tuple(argv), done.returncode, done.stdout, done.stderr)

    def start(self, argv: Any, *, env: Any, log: Path, limits: Any = None) -> subprocess.Popen[bytes]:
        with log.open("ab") as file:
            return subprocess.Popen(self.mapped(argv), stdout=file, stderr=file)

    def mapped(self, argv: list[str]) -> list[str]:
        return [str(self.root / "packages") if word == str(deliver.ROOT) else word for word in argv]

    def put(self, src: Path, dst: PurePosixPath) -> None:
        self.copied.append(dst.name)
        target = self.root / "packages" / dst.relative_to(deliver.ROOT)
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary = target.with_name(f"{target.name}.{os.urandom(4).hex()}")
        temporary.write_bytes(src.read_bytes())
        temporary.replace(target)


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of wheels as the only index: one library, and uv itself."""
    folder = tmp_path / "index"
    folder.mkdir()
    make_wheel(folder, "continuum_test_library", {"library.py": b"ANSWER = 42\n"})
    uv = lock.find_uv()
    version = subprocess.check_output([str(uv), "--version"], text=True).split()[1]
    made = make_wheel(folder, "uv", {"uv-1.0.data/scripts/uv": uv.read_bytes()})
    _rename(made, version)
    for tool in ("UV", "PIP"):
        monkeypatch.setenv(f"{tool}_NO_INDEX", "1")
        monkeypatch.setenv(f"{tool}_FIND_LINKS", str(folder))
    monkeypatch.setenv("UV_OFFLINE", "1")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return folder


def _rename(wheel: Path, version: str) -> None:
    """The same wheel with another version."""
    target = wheel.with_name(wheel.name.replace("1.0", version))
    with zipfile.ZipFile(wheel) as old, zipfile.ZipFile(target, "w") as new:
        for name in old.namelist():
            data = old.read(name)
            if name.endswith(("METADATA", "RECORD")):
                data = data.replace(b"1.0", version.encode())
            new.writestr(name.replace("1.0", version), data)
    wheel.unlink()


def deployment_of(tmp_path: Path, count: int = 1) -> tuple[Deployment, list[Node], list[FolderConnection]]:
    nodes = [
        Node(NodeSpec(f"edge{number}", "edge", number, 1, 256), "10.0.0.1", {"python": sys.executable})
        for number in range(count)
    ]
    ways = [FolderConnection(node.name, tmp_path / node.name) for node in nodes]
    connections: Any = {way.node: way for way in ways}
    return Deployment(Topology((), (), ()), tuple(nodes), connections), nodes, ways


WORKLOAD = Workload(
    "worker", "edge", ("{python}",), requirements=("continuum-test-library>=1",), code=("application.video",)
)


def test_a_package_is_installed_in_an_environment_of_its_own(tmp_path: Path, index: Path) -> None:
    deployment, nodes, ways = deployment_of(tmp_path)
    placed = deliver.prepare(WORKLOAD, nodes, deployment)["edge0"]
    program = "import library, continuum.workload, sys; print(library.ANSWER, sys.prefix != sys.base_prefix)"
    said = subprocess.check_output(
        [placed.python, "-c", program], env={"PYTHONPATH": placed.code}, cwd=tmp_path, text=True
    )
    assert said.split() == ["42", "True"]
    assert Path(placed.code, "application", "video", "worker.py").is_file()
    assert placed.copied_bytes > 0
    assert len(ways[0].copied) == 3  # the library, the installer and the code


def test_what_is_there_is_not_copied_again(tmp_path: Path, index: Path) -> None:
    deployment, nodes, ways = deployment_of(tmp_path)
    first = deliver.prepare(WORKLOAD, nodes, deployment)["edge0"]
    ways[0].copied.clear()
    second = deliver.prepare(WORKLOAD, nodes, deployment)["edge0"]
    assert ways[0].copied == []
    assert second.copied_bytes == 0
    assert (second.python, second.code) == (first.python, first.code)


def test_a_change_of_code_ships_without_the_wheels(tmp_path: Path, index: Path) -> None:
    deployment, nodes, ways = deployment_of(tmp_path)
    found = this_interpreter()
    for text in ("x = 1\n", "x = 2\n"):
        ways[0].copied.clear()
        root = tmp_path / "source"
        for package in ("continuum", "own"):
            (root / package).mkdir(parents=True, exist_ok=True)
            (root / package / "__init__.py").write_text(text)
        package = build.build([LIBRARY], ["own"], found, root=root)
        placed = deliver.place(package, nodes[0], deployment.connections["edge0"], found)
        assert Path(placed.code, "own", "__init__.py").read_text() == text
    assert ways[0].copied == [f"{package.code_id}.tar.gz"]


def test_eight_starts_at_once_install_once(tmp_path: Path, index: Path) -> None:
    _, _, ways = deployment_of(tmp_path)
    found = this_interpreter()
    package = build.build([LIBRARY], [], found, root=deliver.CHECKOUT)
    for name, path in package.parts():
        ways[0].put(path, deliver.ROOT / name)
    source = (deliver.CHECKOUT / "continuum/packages/node_install.py").read_text()
    argv = [sys.executable, "-I", "-c", source, str(deliver.ROOT), "install", json.dumps(package.manifest())]
    with ThreadPoolExecutor(8) as pool:
        said = list(pool.map(lambda _: json.loads(subprocess.check_output(ways[0].mapped(argv))), range(8)))
    assert sorted(answer["fresh"] for answer in said) == [False] * 7 + [True]
    assert len({answer["python"] for answer in said}) == 1


def test_nothing_is_copied_to_an_interpreter_it_does_not_fit(tmp_path: Path, index: Path) -> None:
    deployment, nodes, ways = deployment_of(tmp_path)
    package = build.build([LIBRARY], [], this_interpreter(), root=deliver.CHECKOUT)
    with pytest.raises(DeployError, match="built for"):
        deliver.place(
            package,
            nodes[0],
            deployment.connections["edge0"],
            Interpreter("cpython", (3, 10, 1), "x86_64", "glibc", (2, 31)),
        )
    assert ways[0].copied == []


def test_a_wheel_that_was_changed_on_the_way_is_refused(tmp_path: Path, index: Path) -> None:
    deployment, nodes, _ = deployment_of(tmp_path)
    found = this_interpreter()
    package = build.build([LIBRARY], [], found, root=deliver.CHECKOUT)
    copy = tmp_path / "edge0" / "packages" / "wheels" / package.wheels[0].sha256 / package.wheels[0].name
    copy.parent.mkdir(parents=True)
    copy.write_text("something else")
    with pytest.raises(DeployError, match="its hash is not that of the manifest"):
        deliver.place(package, nodes[0], deployment.connections["edge0"], found)


def test_a_second_build_needs_no_index(tmp_path: Path, index: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = build.build([LIBRARY], [], this_interpreter(), root=deliver.CHECKOUT)
    for tool in ("UV", "PIP"):
        monkeypatch.setenv(f"{tool}_FIND_LINKS", str(tmp_path / "gone"))
    second = build.build([LIBRARY], [], this_interpreter(), root=deliver.CHECKOUT)
    assert second.manifest_id() == first.manifest_id()


def test_requirements_that_nobody_meets_are_named(tmp_path: Path, index: Path) -> None:
    deployment, nodes, _ = deployment_of(tmp_path)
    wanting = Workload("worker", "edge", (), requirements=("no-such-continuum-library",))
    with pytest.raises(DeployError, match="no-such-continuum-library"):
        deliver.prepare(wanting, nodes, deployment)


def test_nodes_without_a_usable_python_are_named(tmp_path: Path) -> None:
    deployment, nodes, _ = deployment_of(tmp_path)
    node = Node(nodes[0].spec, nodes[0].address, {"python": "false"})
    with pytest.raises(DeployError, match=r"edge0 has no usable Python \(false\)"):
        deliver.prepare(WORKLOAD, [node], deployment)


def test_one_build_serves_all_nodes_of_a_kind(tmp_path: Path, index: Path) -> None:
    deployment, nodes, _ = deployment_of(tmp_path, count=3)
    placed = deliver.prepare(WORKLOAD, nodes, deployment)
    assert [one.build_s > 0 for one in placed.values()] == [True, False, False]


def test_nodes_that_share_the_hosts_python_need_nothing(tmp_path: Path) -> None:
    deployment, nodes, ways = deployment_of(tmp_path)
    node = Node(nodes[0].spec, nodes[0].address, {"shares_host": True})
    assert deliver.prepare(WORKLOAD, [node], deployment) == {}
    assert ways[0].copied == []
