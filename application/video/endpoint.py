"""The program on an endpoint: a camera whose frames a worker, or the endpoint itself, classifies.

The load is open-loop: every frame has an intended time that does not depend on earlier frames. The camera's
frames are decoded before the load. One thread preprocesses them, one sends them, one (of the transport)
receives answers, and one ends overdue requests; none waits for another.
"""

from __future__ import annotations

import queue
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

from application.video import frames, runtime, schedule, stages
from application.video import settings as configuration
from application.video import transport as transports
from application.video.message import Answer, Frame
from application.video.model import ModelError
from application.video.request_tracker import Pending, RequestTracker
from application.video.service import Service
from application.video.settings import EndpointSettings
from continuum.sdk import session as workload
from continuum.sdk.protocol import DONE, DUE, FAILED, HELD, LOST

_CONNECT_S = 60.0
_ASK_S = 0.25
_HOUSEKEEPING_S = 0.1
_PROGRESS_S = 0.5
_END_S = 2.0


@dataclass
class Endpoint:
    """One camera.

    Attributes:
        session: this program's part in the run.
        settings: its settings.
        truth: the known labels of the video, by frame index.
        tracker: the requests so far.
    """

    session: workload.Session
    settings: EndpointSettings
    truth: dict[int, str]
    tracker: RequestTracker = field(default_factory=RequestTracker)
    _outbox: queue.SimpleQueue[tuple[str, bytes] | None] = field(default_factory=queue.SimpleQueue)
    _input: tuple[int, int] | None = None
    _answered: threading.Event = field(default_factory=threading.Event)
    _finished: threading.Event = field(default_factory=threading.Event)
    _write_error: OSError | None = None

    @property
    def name(self) -> str:
        """The name that answers are addressed to."""
        return str(self.session.identity)

    def receive(self, message: bytes) -> None:
        """Handle an answer; called in a thread of the transport on its arrival."""
        now_ns = time.monotonic_ns()
        try:
            answer = Answer.decode(message)
        except ValueError:
            return
        if not answer.request:
            if not answer.failure:
                self._input = (answer.width, answer.height)
                self._answered.set()
        elif answer.failure:
            if self.tracker.close(answer.request, "failed", now_ns):
                self.session.record(
                    answer.request, FAILED, now_ns, worker=answer.worker, reason=answer.failure
                )
        else:
            self._complete(answer, now_ns)

    def _complete(self, answer: Answer, now_ns: int) -> None:
        pending = self.tracker.close(answer.request, "completed", now_ns)
        if pending is None:
            return
        truth = self.truth.get(pending.frame)
        self.session.record(
            answer.request,
            DONE,
            now_ns,
            worker=answer.worker,
            label=answer.label,
            confidence=round(answer.confidence, 4),
            correct=None if truth is None else truth == answer.label,
        )

    def greet(self, uplink: transports.Uplink, deadline: float) -> None:
        """Ask the worker for its input size until it answers; TimeoutError if it does not."""
        question = Frame(self.name, "").encode()
        while not self._answered.is_set():
            if self.session.stopping.is_set():
                raise workload.StoppedError
            if time.monotonic() > deadline:
                raise TimeoutError(f"no worker answered within {_CONNECT_S:g} s")
            uplink.send(question, _ASK_S)
            self._answered.wait(_ASK_S)

    def run(self, uplink: transports.Uplink, camera: frames.Camera) -> None:
        """Send every frame of the schedule and wait until each has an outcome."""
        start_ns = self.session.wait_go()
        threads = [
            threading.Thread(target=self._send, args=(uplink,), name="sender", daemon=True),
            threading.Thread(target=self._housekeeping, name="housekeeping", daemon=True),
        ]
        for thread in threads:
            thread.start()
        self._generate(start_ns, camera)
        while self.tracker.waiting and not self.session.stopping.wait(_HOUSEKEEPING_S / 4):
            pass
        self._expire(now_ns=1 << 62)
        self._finished.set()
        self._outbox.put(None)
        threads[1].join(_END_S)
        if self._write_error is not None:
            raise self._write_error
        self.session.progress(**self.tracker.numbers())

    def _generate(self, start_ns: int, camera: frames.Camera) -> None:
        size = self.settings.frame_size or self._input
        assert size is not None
        for intended in self.schedule():
            image = camera.next()
            due_ns = start_ns + intended.offset_ns
            wait_s = (due_ns - time.monotonic_ns()) / schedule.NS_PER_S
            if self.session.stopping.wait(max(0.0, wait_s)):
                return
            self._make(f"{self.name}.{intended.number}", due_ns, intended.warmup, image, size)

    def schedule(self) -> Iterator[schedule.Intended]:
        """The intended times of all frames."""
        settings = self.settings
        return schedule.intended_times(
            settings.arrival,
            settings.frequency,
            settings.duration_s,
            settings.warmup_s,
            seed=f"{settings.seed} {self.name}",
        )

    def _make(
        self, request: str, due_ns: int, warmup: bool, frame: frames.VideoFrame, size: tuple[int, int]
    ) -> None:
        """Preprocess one frame and queue it for sending."""
        started_ns = time.monotonic_ns()
        jpeg = frames.encode(frame.image, size, self.settings.quality)
        message = Frame(self.name, request, jpeg).encode()
        encoded_ns = time.monotonic_ns()
        deadline_ns = encoded_ns + round(self.settings.timeout_s * schedule.NS_PER_S)
        self.tracker.open(request, Pending(due_ns, frame.index), deadline_ns)
        self._outbox.put((request, message))
        self.session.record(request, DUE, due_ns, warmup=warmup)
        self.session.record(request, stages.PREPROCESS, started_ns)
        self.session.record(request, stages.UPLINK, encoded_ns, bytes=len(jpeg))

    def _send(self, uplink: transports.Uplink) -> None:
        while (item := self._outbox.get()) is not None:
            request, message = item
            # An overdue frame would only delay the following ones.
            if self.tracker.is_open(request) and uplink.send(message, self.settings.timeout_s):
                self.session.record(request, HELD)

    def _housekeeping(self) -> None:
        """End overdue requests, write events and report progress."""
        reported = 0.0
        while not self._finished.wait(_HOUSEKEEPING_S):
            self._expire(time.monotonic_ns())
            if time.monotonic() - reported < _PROGRESS_S:
                continue
            reported = time.monotonic()
            try:
                self.session.flush()
                self.session.progress(**self.tracker.numbers())
            except OSError as error:  # such as a full disk, which would lose all further events
                self._write_error = error
                self.session.stop()
                return

    def _expire(self, now_ns: int) -> None:
        for request in self.tracker.expire(now_ns):
            self.session.record(request, LOST)


@dataclass
class LocalUplink:
    """The uplink to a service in the same process."""

    service: Service

    def send(self, message: bytes, timeout_s: float) -> bool:
        """Pass the message to the service."""
        self.service.receive(message)
        return False

    def close(self) -> None:
        """Stop the service."""
        self.service.stop(_END_S)


def connect(endpoint: Endpoint) -> transports.Uplink:
    """Connect to the worker of this endpoint and ask it for its input size.

    Raises:
        TimeoutError: the worker does not answer.
        ModelError: the endpoint serves itself and cannot use the model.
    """
    settings, session = endpoint.settings, endpoint.session
    server = settings.servers.get(session.identity.node)
    if server is None:
        return _serve_itself(endpoint)
    transport = transports.load(settings.transport)
    deadline = time.monotonic() + _CONNECT_S
    while True:
        try:
            uplink = transport.connect(
                server.host, server.port, endpoint.name, endpoint.receive, settings.in_flight
            )
            break
        except OSError as error:
            if session.stopping.wait(_ASK_S):
                raise workload.StoppedError from None
            if time.monotonic() > deadline:
                raise TimeoutError(f"{server.worker}: {error}") from error
    endpoint.greet(uplink, deadline)
    return uplink


def _serve_itself(endpoint: Endpoint) -> LocalUplink:
    local = endpoint.settings.local
    classifier = runtime.load_classifier(endpoint.session.folder, local.normalisation)
    service = Service(
        endpoint.session.identity.node, classifier, endpoint.session, local.threads, local.queue_size
    )
    service.reply = lambda _endpoint, answer: endpoint.receive(answer.encode())
    service.start()
    uplink = LocalUplink(service)
    endpoint.greet(uplink, time.monotonic() + _CONNECT_S)
    return uplink


def _camera(endpoint: Endpoint) -> frames.Camera:
    """The camera, with the frames that the load needs."""
    settings = endpoint.settings
    needed = sum(1 for _ in endpoint.schedule())
    camera = frames.Camera(endpoint.session.folder / settings.video, needed, settings.camera_mb)
    if camera.is_cut:
        print(
            f"camera: plays the first {len(camera)} frames of the video again and again, "
            f"since {needed} do not fit in {settings.camera_mb} MB",
            file=sys.stderr,
            flush=True,
        )
    return camera


def take_part(session: workload.Session, settings: EndpointSettings) -> None:
    """Prepare, connect, generate the load, and disconnect."""
    truth_file = session.folder / configuration.TRUTH_FILE
    truth = frames.read_truth(truth_file) if truth_file.exists() else {}
    endpoint = Endpoint(session, settings, truth)
    camera = _camera(endpoint)
    uplink = connect(endpoint)
    session.ready()
    endpoint.run(uplink, camera)
    runtime.within(_END_S, uplink.close)


def main() -> int:
    """Run the endpoint; exit status 1 on failure."""
    try:
        with workload.join() as session:
            take_part(session, configuration.endpoint_from_environment())
    except (ModelError, frames.VideoError, OSError, ValueError) as error:
        print(f"endpoint: {error}", file=sys.stderr, flush=True)
        return 1
    return 0


if __name__ == "__main__":
    runtime.leave(main())
