"""One instance: reports that it is ready, sleeps from the common start on, and ends."""

import os
import time

from continuum.sdk import protocol
from continuum.sdk import session as workload


def main() -> None:
    """Take part in the run as one request: due at the start, sleeping, done."""
    sleep_s = float(os.environ["SECONDS"])
    with workload.join() as session:
        request = str(session.identity)
        session.ready()
        start_ns = session.wait_go()
        session.record(request, protocol.DUE, start_ns)
        _sleep_until(start_ns)
        session.record(request, "sleep")
        stopped = session.stopping.wait(sleep_s)
        session.record(request, protocol.FAILED if stopped else protocol.DONE, worker=session.identity.node)


def _sleep_until(clock_ns: int) -> None:
    time.sleep(max(0.0, (clock_ns - time.monotonic_ns()) / 1e9))


if __name__ == "__main__":
    main()
