"""The core without the optional packages: what does not need them works, what does names the one command."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from continuum.modules import registry

LEFT_OUT = re.compile(r"(cv2|opencv_python|onnxruntime|zenoh|eclipse_zenoh|paho|ansible)", re.IGNORECASE)
COMMAND = re.compile(r'run: pip install (".+\[video\]"|.*onnxruntime.*)$', re.MULTILINE)
INFRA_ONLY = """
[infrastructure]
provider = local
infra_only = True
cloud_nodes = 1
cloud_cores = 1
cloud_memory = 1 GB
"""
VIDEO = """
[infrastructure]
endpoint_nodes = 1
endpoint_cores = 1
endpoint_memory = 1 GB
[benchmark]
application = video
offload_to = endpoint
video = clip.mp4
"""


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """This environment's packages but those, as links, for an interpreter without any."""
    if sys.prefix == sys.base_prefix:
        pytest.skip("these tests must run in a virtual environment")
    site = tmp_path / "site"
    site.mkdir()
    for entry in (
        path for folder in sys.path if folder.endswith("site-packages") for path in Path(folder).iterdir()
    ):
        if not LEFT_OUT.match(entry.name) and entry.suffix != ".pth" and not entry.name.startswith("__"):
            (site / entry.name).symlink_to(entry)
    return {**os.environ, "PYTHONPATH": str(site), "PYTHONNOUSERSITE": "1"}


def call(environment: dict[str, str], folder: Path, *argv: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [
            str(Path(sys.base_prefix) / "bin" / f"python3.{sys.version_info[1]}"),
            str(registry.ROOT / "continuum.py"),
            *argv,
        ],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize("verb", ["run", "check"])
def test_a_config_that_needs_them_names_one_command(
    environment: dict[str, str], tmp_path: Path, verb: str
) -> None:
    quickstart = str(registry.ROOT / "configs" / "quickstart.cfg")
    done = call(environment, tmp_path, *(("check",) if verb == "check" else ()), quickstart)
    assert done.returncode == 3, done.stdout + done.stderr
    assert len(COMMAND.findall(done.stderr)) == 1, done.stderr
    assert "Traceback" not in done.stderr
    assert not list(tmp_path.glob("runs/*"))


def test_a_file_that_cannot_be_opened_without_them_names_the_command(
    environment: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / "clip.mp4").touch()
    (tmp_path / "x.cfg").write_text(VIDEO)
    done = call(environment, tmp_path, "check", "x.cfg")
    assert done.returncode == 3, done.stdout + done.stderr
    assert len(COMMAND.findall(done.stderr)) == 1, done.stderr


def test_the_rest_works(environment: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "x.cfg").write_text(INFRA_ONLY)
    assert call(environment, tmp_path, "check", "--no-host", "x.cfg").returncode == 0
    listed = call(environment, tmp_path, "modules")
    assert re.search(r"^application +video ", listed.stdout, re.MULTILINE)
    assert listed.stderr == ""
    doctor = call(environment, tmp_path, "doctor")
    assert "Traceback" not in doctor.stderr
    assert doctor.stdout
