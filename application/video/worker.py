"""The program on a worker: classifies the frames of endpoints until it is stopped."""

from __future__ import annotations

import sys

from application.video import runtime
from application.video import settings as configuration
from application.video import transport as transports
from application.video.model import ModelError
from application.video.service import Service
from continuum.sdk import listening
from continuum.sdk import session as workload

_FLUSH_S = 0.5
_END_S = 5.0


def worker_name(identity: workload.Identity, replicas: int) -> str:
    """The node's name, with the replica's number if the node has several."""
    return identity.node if replicas == 1 else f"{identity.node}-{identity.replica}"


def serve(session: workload.Session, settings: configuration.WorkerSettings) -> None:
    """Serve until the session ends; ModelError or OSError if the worker cannot start."""
    classifier = runtime.load_classifier(session.folder, settings.normalisation)
    name = worker_name(session.identity, len(settings.ports))
    port = settings.ports[session.identity.replica]
    service = Service(name, classifier, session, settings.threads, settings.queue_size)
    service.start()
    link = transports.load(settings.transport).serve(listening.address(settings.bind), port, service.receive)
    service.reply = lambda endpoint, answer: link.answer(endpoint, answer.encode())
    session.ready()
    try:
        while not session.stopping.wait(_FLUSH_S):
            session.flush()
    finally:
        service.stop(_END_S)
        runtime.within(_END_S, link.close)


def main() -> int:
    """Run the worker; exit status 1 on failure."""
    try:
        with workload.join() as session:
            serve(session, configuration.worker_from_environment())
    except (ModelError, OSError) as error:
        print(f"worker: {error}", file=sys.stderr, flush=True)
        return 1
    return 0


if __name__ == "__main__":
    runtime.leave(main())
