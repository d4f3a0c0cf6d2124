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
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

from continuum.connection.deployment import Deployment
from continuum.errors import DeployError
from continuum.model.node import Node
from continuum.model.topology import NodeSpec, Topology
from continuum.model.workload import Workload
from continuum.software.packages import build, bytecode, deliver, interpreter, lock, on_node, store, trees
from continuum.software.packages.interpreter import Interpreter
from continuum.testing.fake_connection import FakeConnection, FakeProcess

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
    with pytest.raises(ValueError, match=r"unexpected output of the Python probe|Expecting"):
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


@pytest.mark.parametrize("version", [17, 26, 31, 41])
def test_wheels_are_fetched_for_the_platform_they_are_installed_for(version: int) -> None:
    node = Interpreter("cpython", (3, 11, 2), "x86_64", "glibc", (2, version))
    newest = next(node.platforms()).removesuffix("_x86_64")
    assert node.uv_platform() == f"x86_64-{newest}"


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
    with pytest.raises(DeployError, match=r"edge0 has CPython 3\.9 .* require Python 3\.10"):
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


class FolderConnection(FakeConnection):
    """A node that is a folder of this host; keeps the names of what is sent to it."""

    def __init__(self, node: str, root: Path, clock_offset_ns: int | None = None) -> None:
        super().__init__(node, root, clock_offset_ns)
        self.copied: list[str] = []

    @property
    def packages(self) -> Path:
        return self.root / str(on_node.ROOT).lstrip("/")

    def start(self, argv: Any, *, env: Any, log: Path, limits: Any = None) -> FakeProcess:
        if "receive" in argv:
            self.copied += [word.partition(":")[0] for word in argv[argv.index("receive") + 1 :]]
        return super().start(argv, env=env, log=log, limits=limits)


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of wheels as the only index, with one library."""
    folder = tmp_path / "index"
    folder.mkdir()
    make_wheel(folder, "continuum_test_library", {"library.py": b"ANSWER = 42\n"})
    for tool in ("UV", "PIP"):
        monkeypatch.setenv(f"{tool}_NO_INDEX", "1")
        monkeypatch.setenv(f"{tool}_FIND_LINKS", str(folder))
    monkeypatch.setenv("UV_OFFLINE", "1")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return folder


def deployment_of(tmp_path: Path, count: int = 1) -> tuple[Deployment, list[Node], list[FolderConnection]]:
    nodes = [
        Node(NodeSpec(f"edge{number}", "edge", number, 1, 256), "10.0.0.1", python=sys.executable)
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
    program = (
        "import library, continuum.sdk.session, sys; print(library.ANSWER, sys.prefix != sys.base_prefix)"
    )
    said = subprocess.check_output(
        [placed.python, "-c", program], env={"PYTHONPATH": placed.code}, cwd=tmp_path, text=True
    )
    assert said.split() == ["42", "True"]
    assert Path(placed.code, "application", "video", "worker.py").is_file()
    assert placed.copied_bytes > 0
    assert len(ways[0].copied) == 2  # the library and the code


@pytest.mark.slow
def test_what_is_there_is_not_copied_again(tmp_path: Path, index: Path) -> None:
    deployment, nodes, ways = deployment_of(tmp_path)
    first = deliver.prepare(WORKLOAD, nodes, deployment)["edge0"]
    ways[0].copied.clear()
    second = deliver.prepare(WORKLOAD, nodes, deployment)["edge0"]
    assert ways[0].copied == []
    assert second.copied_bytes == 0
    assert (second.python, second.code) == (first.python, first.code)


@pytest.mark.slow
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
    assert ways[0].copied == [package.code.name]


@pytest.mark.slow
def test_eight_starts_at_once_install_once(tmp_path: Path, index: Path) -> None:
    _, _, ways = deployment_of(tmp_path)
    package = build.build([LIBRARY], [], this_interpreter(), root=deliver.CHECKOUT)
    with ThreadPoolExecutor(8) as pool:
        sent = list(pool.map(lambda _: on_node.send(ways[0], sys.executable, package.parts()), range(8)))
        said = list(
            pool.map(lambda _: on_node.install(ways[0], sys.executable, package.manifest()), range(8))
        )
    assert sorted(name for names in sent for name in names) == sorted(package.parts())
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


def changed(archive: Path, data: bytes) -> None:
    kept = archive.read_bytes()
    archive.write_bytes(data.ljust(len(kept), b"x")[: len(kept)])


@pytest.mark.slow
def test_what_was_changed_on_the_way_is_refused(tmp_path: Path, index: Path) -> None:
    deployment, nodes, ways = deployment_of(tmp_path)
    found = this_interpreter()
    package = build.build([LIBRARY], [], found, root=deliver.CHECKOUT)
    good = package.libraries[0].path.read_bytes()
    for bad in (b"no archive at all", good.replace(b"ANSWER = 42", b"ANSWER = 43"), good[: len(good) // 2]):
        changed(package.libraries[0].path, bad)
        with pytest.raises(DeployError, match=r"edge0.*\n.*the received data is corrupt"):
            deliver.place(package, nodes[0], deployment.connections["edge0"], found)
    package.libraries[0].path.write_bytes(good)
    assert on_node.missing(ways[0], sys.executable, [package.libraries[0].name])
    deliver.place(package, nodes[0], deployment.connections["edge0"], found)


@pytest.mark.slow
def test_a_start_that_was_ended_half_way_is_begun_anew(tmp_path: Path, index: Path) -> None:
    deployment, nodes, ways = deployment_of(tmp_path)
    found = this_interpreter()
    package = build.build([LIBRARY], [], found, root=deliver.CHECKOUT)
    left = ways[0].packages / "unpacked" / f"{package.libraries[0].sha256}.part"
    left.mkdir(parents=True)
    (left / "half.py").write_text("1 +")
    (ways[0].packages / "environments" / package.environment_id / "bin").mkdir(parents=True)
    placed = deliver.place(package, nodes[0], deployment.connections["edge0"], found)
    assert subprocess.check_output([placed.python, "-c", "import library; print(library.ANSWER)"]) == b"42\n"
    assert not list(ways[0].packages.rglob("half.py"))


@pytest.mark.slow
def test_nodes_elsewhere_get_the_libraries_compressed(tmp_path: Path, index: Path) -> None:
    deployment, nodes, _ = deployment_of(tmp_path)
    far = FolderConnection("edge1", tmp_path / "edge1", clock_offset_ns=5)
    node = Node(NodeSpec("edge1", "edge", 1, 1, 256), "10.0.0.2", python=sys.executable)
    deployment = replace(deployment, connections={**deployment.connections, "edge1": far})
    placed = deliver.prepare(WORKLOAD, [*nodes, node], deployment)
    assert placed["edge1"].copied_bytes < placed["edge0"].copied_bytes
    assert all(name.endswith(".tar.gz") for name in far.copied)
    for one in placed.values():
        assert subprocess.check_output([one.python, "-c", "import library; print(library.ANSWER)"]) == b"42\n"


def test_a_tree_is_packed_alike_whatever_its_times_and_owners(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    for name in ("library/part.py", "bin/program", "library-1.0.dist-info/direct_url.json", ".lock"):
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).write_text("text")
    packed = []
    for number in range(2):
        os.utime(tree / "library" / "part.py", (number, number))
        os.chown(tree / "library", os.geteuid(), os.getegid())
        trees.pack(tree, tmp_path / f"{number}.tar.gz")
        packed.append((tmp_path / f"{number}.tar.gz").read_bytes())
    assert packed[0] == packed[1]
    with tarfile.open(tmp_path / "0.tar.gz") as archive:
        files = [entry.name for entry in archive if entry.isfile()]
    assert files == ["./library/part.py"]


@pytest.mark.slow
def test_libraries_for_another_machine_are_installed_here(tmp_path: Path, index: Path) -> None:
    native = "cp312-cp312-manylinux_2_17_aarch64"
    make_wheel(index, "continuum_test_native", {"native.so": b"arm"}, native)
    arm = Interpreter("cpython", (3, 12, 1), "aarch64", "glibc", (2, 31))
    package = build.build(["continuum-test-native"], [], arm, root=deliver.CHECKOUT)
    with tarfile.open(package.libraries[0].path) as archive:
        assert "./native.so" in archive.getnames()


def test_archives_are_spread_over_streams_by_their_size() -> None:
    sizes = {"a": 5, "b": 9, "c": 1, "d": 4, "e": 1}
    groups = deliver.spread(sizes, 2)
    assert sorted(sum(sizes[name] for name in names) for names in groups) == [10, 10]
    assert deliver.spread({"a": 1}, 3) == [["a"]]
    assert deliver.spread({}, 3) == []


@pytest.mark.slow
def test_a_second_build_needs_no_index(tmp_path: Path, index: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = build.build([LIBRARY], [], this_interpreter(), root=deliver.CHECKOUT)
    for tool in ("UV", "PIP"):
        monkeypatch.setenv(f"{tool}_FIND_LINKS", str(tmp_path / "gone"))
    second = build.build([LIBRARY], [], this_interpreter(), root=deliver.CHECKOUT)
    assert second.manifest() == first.manifest()


def test_a_wheel_that_changed_in_the_cache_is_not_installed(tmp_path: Path) -> None:
    wheels = store.Store(tmp_path / "wheels")
    wheel = wheels.add(make_wheel(tmp_path, "continuum_test_library", {"library.py": b"ANSWER = 42\n"}))
    other = make_wheel(tmp_path, "continuum_test_library", {"library.py": b"ANSWER = 43\n"})
    assert other.stat().st_size == wheel.size_bytes
    other.replace(wheels.path(wheel))
    made = trees.Trees(tmp_path / "trees", wheels, is_packed=False)
    with pytest.raises(
        DeployError, match=r"whl: its sha256 is \w+, but \w+ was downloaded; delete .*\w+, and"
    ):
        made.archives([wheel], this_interpreter())


@pytest.mark.slow
def test_a_note_of_wheels_that_are_not_in_the_lock_is_not_believed(tmp_path: Path, index: Path) -> None:
    wheels, python = store.Store(tmp_path / "cache" / "continuum" / "wheels"), this_interpreter()
    locked = lock.resolve([LIBRARY], python, tmp_path / "cache" / "continuum")
    honest = wheels.wheels(locked, python)
    (tmp_path / "wheels").mkdir()
    other = make_wheel(tmp_path / "wheels", "continuum_test_library", {"library.py": b"ANSWER = 43\n"})
    wheels.remember(locked, python.key, [wheels.add(other)])
    assert wheels.wheels(locked, python) == honest


def test_requirements_that_nobody_meets_are_named(tmp_path: Path, index: Path) -> None:
    deployment, nodes, _ = deployment_of(tmp_path)
    wanting = Workload("worker", "edge", (), requirements=("no-such-continuum-library",))
    with pytest.raises(DeployError, match="no-such-continuum-library"):
        deliver.prepare(wanting, nodes, deployment)


def test_nodes_without_a_usable_python_are_named(tmp_path: Path) -> None:
    deployment, nodes, _ = deployment_of(tmp_path)
    node = Node(nodes[0].spec, nodes[0].address, python="false")
    with pytest.raises(DeployError, match=r"edge0 has no usable Python \(false\)"):
        deliver.prepare(WORKLOAD, [node], deployment)


@pytest.mark.slow
def test_one_build_serves_all_nodes_of_a_kind(tmp_path: Path, index: Path) -> None:
    deployment, nodes, _ = deployment_of(tmp_path, count=3)
    placed = deliver.prepare(WORKLOAD, nodes, deployment)
    assert [one.build_s > 0 for one in placed.values()] == [True, False, False]


def test_nodes_that_share_the_hosts_python_need_nothing(tmp_path: Path) -> None:
    deployment, nodes, ways = deployment_of(tmp_path)
    node = Node(nodes[0].spec, nodes[0].address, shares_host=True)
    assert deliver.prepare(WORKLOAD, [node], deployment) == {}
    assert ways[0].copied == []


@pytest.mark.slow
def test_modules_come_compiled_where_this_host_can(tmp_path: Path, index: Path) -> None:
    """And what an import finds beside the source is what was compiled here: it is not compiled again."""
    deployment, nodes, _ = deployment_of(tmp_path)
    placed = deliver.prepare(WORKLOAD, nodes, deployment)["edge0"]
    program = "import library, importlib.util as u; print(u.cache_from_source(library.__file__))"
    cached = Path(subprocess.check_output([placed.python, "-c", program], text=True).strip())
    assert (
        int.from_bytes(cached.read_bytes()[4:8], "little") == 0b01
    )  # a hash, and nobody compares it (PEP 552)


def test_bytecode_of_another_version_is_never_packed(monkeypatch: pytest.MonkeyPatch) -> None:
    assert bytecode.compiler(this_interpreter()) == Path(sys.executable)
    assert bytecode.compiler(replace(this_interpreter(), implementation="pypy")) is None
    assert bytecode.compiler(replace(this_interpreter(), version=(3, 99, 0))) is None


def test_what_cannot_be_compiled_is_left_as_it_is(tmp_path: Path) -> None:
    for name in ("good.py", "template.py", "tests/test_good.py"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("{{ no python }} here" if name == "template.py" else "x = 1\n")
    bytecode.compile_tree(tmp_path, Path(sys.executable))
    assert [path.name.partition(".")[0] for path in tmp_path.rglob("*.pyc")] == ["good"]
