"""The image of the application video's worker: build time, size, and the cost of a change.

The cache is empty at first, so the first image includes the download of Debian packages and libraries.
containerd is temporary.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks import containerd
from benchmarks.table import Row, arguments, report
from continuum.config import loader as config
from continuum.config import topology_builder
from continuum.model.workload import Workload
from continuum.modules import registry
from continuum.software import oci
from continuum.software.oci import workload
from continuum.software.oci.workload import workload_image
from continuum.software.packages.deliver import CHECKOUT

CONFIG = """\
[infrastructure]
provider = docker
cloud_nodes = 1
cloud_cores = 1
cloud_memory = 1 GB
endpoint_nodes = 1
endpoint_cores = 1
endpoint_memory = 1 GB
[benchmark]
application = video
"""
MEGA = 1e6


def main() -> int:
    """Measure and report."""
    options = arguments(__doc__).parse_args()
    if lack := containerd.why_not():
        print(f"skipped: {lack}")
        return 0
    with tempfile.TemporaryDirectory() as folder:
        os.environ["XDG_CACHE_HOME"] = folder
        place = Path(folder, "containerd")
        place.mkdir()
        with containerd.running(place) as daemon:
            return report(list(_rows(daemon, Path(folder))), options.json)


def _rows(daemon: containerd.Containerd, folder: Path) -> Iterator[Row]:
    worker = _worker()
    first = workload_image(worker)
    sizes = ", ".join(f"{layer.size_bytes / MEGA:.1f}" for layer in first.image.layers)
    yield Row("first image, with an empty cache", first.build_s, "s")
    yield Row("its size", first.image.size_bytes / MEGA, "MB", detail=f"layers: {sizes} MB")
    yield Row("the same image again", workload_image(worker).build_s, "s")
    begin = time.monotonic()
    daemon.ctr("images", "import", str(first.path))
    yield Row("import into an empty containerd", time.monotonic() - begin, "s")
    _change_code(folder)
    other = workload_image(worker)
    changed = {layer.digest for layer in other.image.layers} - {layer.digest for layer in first.image.layers}
    yield Row("after a change of code", other.build_s, "s")
    yield Row("layers that changed", len(changed), "", 1)
    begin = time.monotonic()
    there = daemon.ctr("content", "ls", "--quiet").split()
    rest = oci.thin(other.path, folder / "rest.tar", there)
    yield Row("size of the missing layers", rest.stat().st_size / MEGA, "MB")
    daemon.ctr("images", "import", str(rest))
    yield Row("find and import the missing layers", time.monotonic() - begin, "s")
    begin = time.monotonic()
    modules = "cv2, numpy, onnxruntime, zenoh, application.video.worker"
    daemon.ctr("run", "--rm", other.reference, "benchmark", other.python, "-c", f"import {modules}")
    yield Row("a container that imports all libraries", time.monotonic() - begin, "s")


def _worker() -> Workload:
    read = config.parse(CONFIG, "images.cfg")
    application = registry.application("video")
    planned = application.workloads(read, topology_builder.from_config(read))
    return next(one for one in planned if one.name == "worker")


def _change_code(folder: Path) -> None:
    """Use a copy of the code in which one file is changed."""
    checkout = folder / "checkout"
    for name in ("continuum", "application"):
        shutil.copytree(CHECKOUT / name, checkout / name)
    with (checkout / "application" / "video" / "worker.py").open("a", encoding="utf-8") as file:
        file.write("# changed\n")
    workload.__dict__["CHECKOUT"] = checkout


if __name__ == "__main__":
    raise SystemExit(main())
