"""Files that modules install, from a real server on loopback: as published, or not at all, and said so."""

import hashlib
import json
import signal
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from continuum import cli
from continuum.config import loader as config
from continuum.errors import DeployError
from continuum.rundir.run import Run
from continuum.software import artifacts, oci
from continuum.software.artifacts import Artifact
from continuum.software.artifacts.download import Source, fetch, fetch_all
from continuum.software.download import Timeouts
from continuum.software.oci.archive import Archive
from continuum.software.playbooks import settings
from resource_manager.mist import MODULE
from tests.e2e import program
from tests.e2e.file_server import Files, serving

PROGRAM = bytes(range(256)) * 8000
SHA256 = hashlib.sha256(PROGRAM).hexdigest()
TOOL = Artifact("tool", "v1.2", "binary", url="https://dl.example/v1.2/tool", sha256=SHA256)
PATH = "dl.example/v1.2/tool"
QUICK_TIMEOUTS = Timeouts(stall_s=0.5, attempts=3, pause_s=0.01)


@pytest.fixture
def files() -> Iterator[Files]:
    with serving(Files({PATH: PROGRAM})) as running:
        yield running


@pytest.fixture
def source(files: Files, tmp_path: Path) -> Source:
    return Source(tmp_path / "cache", files.address, QUICK_TIMEOUTS)


def test_a_file_is_fetched_once_and_is_what_was_published(files: Files, source: Source) -> None:
    first = fetch(TOOL, source)
    assert first.read_bytes() == PROGRAM
    assert fetch(TOOL, source) == first
    assert files.asked == [(PATH, "")]


def test_what_changed_in_the_cache_is_fetched_anew(files: Files, source: Source) -> None:
    fetch(TOOL, source).write_bytes(b"something else")
    assert fetch(TOOL, source).read_bytes() == PROGRAM
    assert len(files.asked) == 2


def test_a_download_that_breaks_off_goes_on_where_it_was(files: Files, source: Source) -> None:
    files.faults[PATH] = ["cut", 503]
    assert fetch(TOOL, source).read_bytes() == PROGRAM
    half = f"bytes={len(PROGRAM) // 2}-"
    assert files.asked == [(PATH, ""), (PATH, half), (PATH, half)]


def test_a_beginning_that_belongs_to_something_else_is_thrown_away(files: Files, source: Source) -> None:
    files.faults[PATH] = ["cut"] * 3
    with pytest.raises(DeployError, match="it ended after"):
        fetch(TOOL, source)
    (part,) = source.cache.glob("*/part")
    part.write_bytes(PROGRAM * 2)
    assert fetch(TOOL, source).read_bytes() == PROGRAM


@pytest.mark.parametrize(
    ("faults", "said"),
    [
        ([404], "404 Not Found"),
        (["hang"] * 3, "no data for 0.5 s|no answer within 0.5 s"),
        ([503] * 3, "503 Service Unavailable"),
        (["cut"] * 3, "it ended after .* of 2048000 bytes"),
    ],
)
def test_a_server_that_fails_is_said_with_file_address_and_remedy(
    files: Files, source: Source, faults: list[str | int], said: str
) -> None:
    files.faults[PATH] = faults
    with pytest.raises(DeployError, match=said) as refused:
        fetch_all([TOOL], source)
    message = str(refused.value)
    assert message.startswith(f"tool-v1.2-linux-amd64: cannot be downloaded from {files.address}/{PATH}: ")
    assert "artifact_mirror" in message
    assert "artifact_dir" in message
    assert not list(source.cache.glob("*/tool*"))


def test_another_content_than_published_is_not_kept(files: Files, source: Source) -> None:
    files.content[PATH] = PROGRAM[:-1] + b"x"
    with pytest.raises(DeployError, match=f"but {SHA256} was published; the file was discarded"):
        fetch(TOOL, source)
    assert [path.name for path in source.cache.rglob("*") if path.is_file()] == ["lock"]


def test_without_a_published_checksum_the_first_download_counts(files: Files, source: Source) -> None:
    unknown = replace(TOOL, sha256="")
    path = fetch(unknown, source)
    path.write_bytes(b"damaged")
    assert fetch(unknown, source).read_bytes() == PROGRAM
    path.unlink()
    files.content[PATH] = b"another program"
    found = hashlib.sha256(b"another program").hexdigest()
    with pytest.raises(DeployError) as refused:
        fetch(unknown, source)
    assert str(refused.value) == (
        f"{TOOL.file}: cannot be downloaded from {files.address}/{PATH}: its sha256 is {found},"
        f" but {SHA256} was recorded when it was first downloaded; the file was discarded;"
        f" if its project replaced it, delete {path.parent} to accept the new one"
    )
    assert not path.exists()
    for left in path.parent.iterdir():
        left.unlink()
    assert fetch(unknown, source).read_bytes() == b"another program"


def test_a_server_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(DeployError, match="Connection refused"):
        fetch(TOOL, Source(tmp_path, "http://127.0.0.1:9", QUICK_TIMEOUTS))


def test_no_room_is_said(source: Source) -> None:
    source.cache.mkdir()
    (source.cache / SHA256).write_text("a file where a folder should be")
    with pytest.raises(DeployError, match="cannot be written to"):
        fetch(TOOL, source)


def test_every_file_that_cannot_be_had_is_named(files: Files, source: Source) -> None:
    others = [replace(TOOL, name=name, url=f"https://dl.example/{name}") for name in ("one", "two")]
    with pytest.raises(DeployError) as refused:
        fetch_all([others[0], TOOL, others[1]], source)
    *lines, remedy = str(refused.value).splitlines()
    assert [line.partition(":")[0] for line in lines] == ["one-v1.2-linux-amd64", "two-v1.2-linux-amd64"]
    assert "artifact_dir" in remedy
    assert fetch(TOOL, source).is_file()


# Images.


def publish(files: Files, tmp_path: Path, registry: str, *, of: tuple[str, ...] = ("amd64",)) -> str:
    """Put images on the server as a registry has them; returns the digest that stands for all."""
    listed = []
    for architecture in of:
        layer = oci.from_files({"/app": f"for {architecture}"}, tmp_path / "layers")
        made = oci.write(
            tmp_path / f"{architecture}.tar",
            "example/app:v1",
            [layer],
            oci.ImageConfig(("/app",), architecture=architecture),
        )
        blobs = _blobs(made.path)
        for digest, data in blobs.items():
            files.content[f"{registry}v2/team/app/blobs/{digest}"] = data
        files.content[f"{registry}v2/team/app/manifests/{made.digest}"] = blobs[made.digest]
        platform = {"os": "linux", "architecture": architecture}
        listed.append({"digest": made.digest, "size": len(blobs[made.digest]), "platform": platform})
    index = json.dumps({"schemaVersion": 2, "manifests": listed}).encode()
    digest = f"sha256:{hashlib.sha256(index).hexdigest()}"
    for name in ("v1", digest):
        files.content[f"{registry}v2/team/app/manifests/{name}"] = index
    return digest


def _blobs(path: Path) -> dict[str, bytes]:
    import tarfile

    with tarfile.open(path) as archive:
        return {
            one.name.removeprefix("blobs/").replace("/", ":"): archive.extractfile(one).read()  # type: ignore[union-attr]
            for one in archive
            if one.name.startswith("blobs/")
        }


def image(digest: str = "", architecture: str = "arm64") -> Artifact:
    return Artifact("app", "v1", "image", architecture, image="images.example/team/app:v1", digest=digest)


@pytest.mark.parametrize("is_pinned", [True, False])
def test_an_image_comes_from_its_registry(
    files: Files, source: Source, tmp_path: Path, is_pinned: bool
) -> None:
    digest = publish(files, tmp_path, "images.example/", of=("amd64", "arm64"))
    path = fetch(image(digest if is_pinned else ""), source)
    read = Archive(path)
    assert read.references == ("images.example/team/app:v1",)
    assert read.config["architecture"] == "arm64"
    with read.blob(read.layers[0]) as file:
        assert b"for arm64" in file.read()
    count = len(files.asked)
    assert fetch(image(digest if is_pinned else ""), source) == path
    assert len(files.asked) == count


def test_a_tag_that_moved_is_refused(files: Files, source: Source, tmp_path: Path) -> None:
    publish(files, tmp_path, "images.example/", of=("arm64",))
    path = fetch(image(), source)
    path.unlink()
    assert fetch(image(), source) == path  # the same image makes the same archive
    path.unlink()
    publish(files, tmp_path, "images.example/", of=("arm64", "amd64"))
    moved = files.content["images.example/v2/team/app/manifests/v1"]
    files.content["images.example/v2/team/app/manifests/v1"] = json.dumps(
        {**json.loads(moved), "manifests": [_other_layer(files, tmp_path)]}
    ).encode()
    with pytest.raises(DeployError, match="was recorded when it was first downloaded"):
        fetch(image(), source)


def _other_layer(files: Files, tmp_path: Path) -> dict[str, object]:
    """Put another image on the server; returns its line in an index."""
    layer = oci.from_files({"/app": "another program"}, tmp_path / "layers")
    config_of_image = oci.ImageConfig(("/app",), architecture="arm64")
    made = oci.write(tmp_path / "other.tar", "example/app:v1", [layer], config_of_image)
    blobs = _blobs(made.path)
    for digest, data in blobs.items():
        files.content[f"images.example/v2/team/app/blobs/{digest}"] = data
    files.content[f"images.example/v2/team/app/manifests/{made.digest}"] = blobs[made.digest]
    platform = {"os": "linux", "architecture": "arm64"}
    return {"digest": made.digest, "size": len(blobs[made.digest]), "platform": platform}


def test_a_registry_that_hands_out_tokens_gets_them(files: Files, tmp_path: Path) -> None:
    publish(files, tmp_path, "")
    files.token = "secret"
    files.content["token"] = b'{"token": "secret"}'
    artifact = replace(image(architecture="amd64"), image=f"{files.address[7:]}/team/app:v1")
    assert fetch(artifact, Source(tmp_path / "cache", timeouts=QUICK_TIMEOUTS)).is_file()
    assert [path for path, _ in files.asked].count("token") == 1


@pytest.mark.parametrize(
    ("what", "said"),
    [
        ("manifests/v1", "its digest is|404 Not Found"),
        ("blobs", "a layer does not match its digest"),
        ("platform", "no image for linux/arm64"),
        ("nonsense", "unexpected response from the registry"),
    ],
)
def test_an_image_that_is_not_what_it_should_be_is_refused(
    files: Files, source: Source, tmp_path: Path, what: str, said: str
) -> None:
    digest = publish(files, tmp_path, "images.example/", of=("amd64",) if what == "platform" else ("arm64",))
    wanted = image(digest)
    if what == "manifests/v1":
        files.content[f"images.example/v2/team/app/manifests/{digest}"] += b" "
    elif what == "nonsense":
        files.content["images.example/v2/team/app/manifests/v1"] = b"<html>"
        wanted = image()
    for path in [path for path in files.content if what == "blobs" and "/blobs/" in path]:
        files.content[path] = files.content[path][:-1] + b"x"
    with pytest.raises(DeployError, match=said) as refused:
        fetch(wanted, source)
    assert str(refused.value).startswith("image-app-v1-linux-arm64.tar: cannot be downloaded")
    assert not list(source.cache.glob("*/image*"))


# The command line.

CONFIG = """\
[infrastructure]
provider = local
edge_nodes = 1
edge_cores = 1
edge_memory = 256 MiB
endpoint_nodes = 1
endpoint_cores = 1
endpoint_memory = 256 MiB
[benchmark]
resource_manager = mist
resource_manager_only = True
"""


@pytest.fixture
def workplace(tmp_path: Path, files: Files, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a config whose manager installs a program and an image."""
    digest = publish(files, tmp_path, "images.example/")
    needed = (TOOL, image(digest, "amd64"))
    monkeypatch.setattr(MODULE, "artifacts", lambda _self, _config: needed)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "x.cfg").write_text(CONFIG)
    return tmp_path


def test_the_list_is_exact(workplace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["artifacts", "x.cfg"]) == 0
    said = capsys.readouterr().out
    assert (
        "tool v1.2 (binary, amd64)\n  file    tool-v1.2-linux-amd64\n  from    https://dl.example/v1.2/tool\n"
        in said
    )
    assert f"sha256  {SHA256}" in said
    assert "from    images.example/team/app:v1\n  digest  sha256:" in said
    assert cli.main(["artifacts", "x.cfg", "--json"]) == 0
    first, second = json.loads(capsys.readouterr().out)["artifacts"]
    assert (first["name"], first["sha256"], first["size_bytes"]) == ("tool", SHA256, None)
    assert second["file"] == "image-app-v1-linux-amd64.tar"
    (workplace / "x.cfg").write_text(f"{CONFIG}mist_packages = mosquitto, tcpdump\n")
    assert cli.main(["artifacts", "x.cfg"]) == 0
    assert capsys.readouterr().out.endswith("Debian packages, plus their dependencies: mosquitto, tcpdump\n")


def test_a_folder_is_downloaded_checked_and_used(
    workplace: Path, files: Files, capsys: pytest.CaptureFixture[str]
) -> None:
    download = ["artifacts", "x.cfg", "--download", "files", "--mirror", files.address]
    assert cli.main(download) == 0
    assert "files: 2 files downloaded, 0 already present" in capsys.readouterr().err
    assert cli.main(["artifacts", "x.cfg", "--check", "files"]) == 0
    assert "all 2 files are complete" in capsys.readouterr().err
    count = len(files.asked)
    assert cli.main(download) == 0
    assert "0 files downloaded, 2 already present" in capsys.readouterr().err
    assert len(files.asked) == count
    read = config.parse(CONFIG.replace("[benchmark]", "artifact_dir = files\n[benchmark]"), "x.cfg")
    paths = artifacts.resolve([TOOL], read)
    assert paths["tool"].read_bytes() == PROGRAM
    assert cli.main(["artifacts", "x.cfg", "--check", "files", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["artifacts"][0]["size_bytes"] == len(PROGRAM)


def test_a_bad_folder_ends_with_status_2_and_names_every_file(
    workplace: Path, files: Files, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["artifacts", "x.cfg", "--download", "files", "--mirror", files.address]) == 0
    (workplace / "files" / TOOL.file).write_bytes(b"short")
    (workplace / "files" / "image-app-v1-linux-amd64.tar").unlink()
    capsys.readouterr()
    assert cli.main(["artifacts", "x.cfg", "--check", "files"]) == 2
    corrupt, missing, remedy = capsys.readouterr().err.splitlines()
    assert corrupt == f"files/{TOOL.file}: corrupt: 5 bytes instead of {len(PROGRAM)}"
    assert missing.startswith("files/image-app-v1-linux-amd64.tar: missing")
    assert remedy.endswith("continuum artifacts x.cfg --download files")
    assert cli.main(["artifacts", "x.cfg", "--check", "nowhere"]) == 2
    assert "nowhere: no such folder" in capsys.readouterr().err
    assert cli.main(["artifacts", "x.cfg", "--download", "files", "--mirror", files.address]) == 0
    assert cli.main(["artifacts", "x.cfg", "--check", "files"]) == 0


def test_a_folder_keeps_the_checksum_that_it_recorded(
    workplace: Path, files: Files, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    unknown = replace(TOOL, sha256="")
    monkeypatch.setattr(MODULE, "artifacts", lambda _self, _config: (unknown,))
    download = ["artifacts", "x.cfg", "--download", "files", "--mirror", files.address]
    assert cli.main(download) == 0
    (workplace / "files" / TOOL.file).unlink()
    files.content[PATH] = b"another program"
    monkeypatch.setenv("XDG_CACHE_HOME", str(workplace / "other-cache"))
    capsys.readouterr()
    assert cli.main(download) == 5
    said = capsys.readouterr().err
    found = hashlib.sha256(b"another program").hexdigest()
    assert (
        f"files/{TOOL.file}: the manifest recorded the sha256 {SHA256} when it was added, but that of" in said
    )
    assert f"{found}; to accept it, remove the entry from files/manifest.json" in said
    assert not (workplace / "files" / TOOL.file).exists()


def test_what_can_be_had_is_kept_though_something_else_cannot(
    workplace: Path, files: Files, capsys: pytest.CaptureFixture[str]
) -> None:
    del files.content[PATH]
    assert cli.main(["artifacts", "x.cfg", "--download", "files", "--mirror", files.address]) == 5
    assert f"{TOOL.file}: cannot be downloaded" in capsys.readouterr().err
    assert cli.main(["artifacts", "x.cfg", "--check", "files"]) == 2
    said = capsys.readouterr().err
    assert TOOL.file in said
    assert "image-app" not in said


def test_a_run_is_refused_before_anything_is_created(
    workplace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (workplace / "files").mkdir()
    (workplace / "x.cfg").write_text(CONFIG.replace("[benchmark]", "artifact_dir = files\n[benchmark]"))
    assert cli.main(["run", "x.cfg", "-q"]) == 3
    said = capsys.readouterr().err
    assert f'x.cfg:9: [infrastructure] artifact_dir = "files": files/{TOOL.file}: missing; ' in said
    assert not (workplace / "runs").exists()


def test_playbooks_are_told_where_the_files_are(workplace: Path, files: Files) -> None:
    mirror = f"artifact_mirror = {files.address}\n[benchmark]"
    run = Run(workplace / "run", config.parse(CONFIG.replace("[benchmark]", mirror), "x.cfg"))
    needed = MODULE().artifacts(run.config)
    paths = settings.variables(run, workplace, needed)["continuum_artifacts"]
    assert set(paths) == {"tool", "app"}
    assert Path(paths["tool"]).read_bytes() == PROGRAM
    assert oci.references(Path(paths["app"])) == ("images.example/team/app:v1",)


@pytest.fixture
def interruptible() -> Iterator[None]:
    """Processes of the test can be interrupted even if whoever runs the tests has that switched off."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("interruptible")
def test_an_interrupted_download_ends_at_once_with_status_130(workplace: Path, files: Files) -> None:
    """From a server that never answers; a process of its own, with the artifacts of a real module."""
    text = CONFIG.replace("mist", "kubernetes").replace("edge", "cloud").replace("local", "docker")
    text = text.replace("cloud_nodes = 1", "cloud_nodes = 2").replace("cloud_cores = 1", "cloud_cores = 2")
    (workplace / "x.cfg").write_text(text.replace("256 MiB", "2 GB"))
    files.hangs = True
    argv = ("artifacts", "x.cfg", "--download", "files", "--mirror", files.address)
    with program.started(*argv, cwd=workplace) as process:
        deadline = time.monotonic() + 60
        while not files.asked:
            assert process.poll() is None, (workplace / "stderr").read_text()
            assert time.monotonic() < deadline
            time.sleep(0.02)
        process.send_signal(signal.SIGINT)
        process.wait(20)  # its time-out for the server is longer
    assert process.returncode == 130
    said = (workplace / "stderr").read_text()
    assert said.splitlines()[-1] == "interrupted"
    assert "Traceback" not in said
