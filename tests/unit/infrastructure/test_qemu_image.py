"""Disk images by path and by address, from a server of the test's own."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from continuum.errors import HostError
from continuum.software.download import Timeouts
from infrastructure.qemu import image, image_download

CONTENT = b"QFI\xfb" + bytes(range(256)) * 4096
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@dataclass
class Server:
    """What it has been asked, and how much of the file it gives before it hangs up."""

    port: int = 0
    asked: list[str] = field(default_factory=list)
    gives_bytes: int = len(CONTENT)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/images/debian.qcow2"


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Server]:
    state = Server()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            state.asked.append(f"{self.path} {self.headers.get('Range', '')}".strip())
            if self.path != "/images/debian.qcow2":
                self.send_error(404)
                return
            begin = int(self.headers.get("Range", "bytes=0-")[6:-1])
            self.send_response(206 if begin else 200)
            self.send_header("Content-Length", str(len(CONTENT) - begin))
            self.end_headers()
            self.wfile.write(CONTENT[begin : begin + state.gives_bytes])

        def log_message(self, *_: object) -> None:
            pass

    monkeypatch.setattr(image_download, "TIMEOUTS", Timeouts(stall_s=5.0, attempts=2, pause_s=0.0))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        state.port = http.server_port
        thread = threading.Thread(target=http.serve_forever, daemon=True)
        thread.start()
        yield state
        http.shutdown()
        thread.join()


def kept() -> list[str]:
    """Files of images, whole or not."""
    return sorted(path.name for path in image.store().glob("fetched/*/*debian*"))


def test_an_image_is_downloaded_once(server: Server) -> None:
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: image.find(server.url, SHA256), range(4)))
    assert image.find(server.url, SHA256.upper()) == found[0]
    assert server.asked == ["/images/debian.qcow2"]
    assert found[0].disk.read_bytes() == CONTENT
    assert found[0].disk.name == "debian.qcow2"
    assert not found[0].is_own
    assert image.disk_format(found[0].disk) == "qcow2"


def test_another_file_is_never_kept(server: Server) -> None:
    with pytest.raises(HostError, match=f"has the SHA-256 checksum {SHA256}"):
        image.find(server.url, "0" * 64)
    assert kept() == []


def test_what_ends_too_early_is_not_used_and_gone_on_with_later(server: Server) -> None:
    server.gives_bytes = 300_000
    with pytest.raises(HostError, match=rf"ended after 600000 of {len(CONTENT)} bytes; download it yourself"):
        image.find(server.url, SHA256)
    assert kept() == [".debian.qcow2.part"]
    server.gives_bytes = len(CONTENT)
    assert image.find(server.url, SHA256).disk.read_bytes() == CONTENT
    assert server.asked[-1] == "/images/debian.qcow2 bytes=600000-"


def test_a_beginning_of_another_file_is_thrown_away(server: Server) -> None:
    folder = image.store() / "fetched" / SHA256
    folder.mkdir(parents=True)
    (folder / ".debian.qcow2.part").write_bytes(b"x" * 1000)
    assert image.find(server.url, SHA256).disk.read_bytes() == CONTENT
    assert server.asked[-1] == "/images/debian.qcow2"


def test_an_image_that_is_not_there_or_nobody_answers(server: Server) -> None:
    with pytest.raises(HostError, match=r"cannot download .*: 404"):
        image.find(server.url.replace("debian", "none"), SHA256)
    assert len(server.asked) == 1
    with pytest.raises(HostError, match="refused"):
        image.find("http://127.0.0.1:1/disk.img", SHA256)


def test_a_packed_image_is_refused(tmp_path: Path) -> None:
    packed = tmp_path / "disk.img.xz"
    packed.write_bytes(b"\xfd7zXZ\0" + bytes(100))
    with pytest.raises(HostError, match=r"is compressed \(xz\); unpack it"):
        image.find(str(packed), None)
