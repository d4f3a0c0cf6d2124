"""Requests to the gateway of a cluster, sent from its node through the connection to that node."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from continuum.connection import Connection
from continuum.errors import DeployError
from execution_model.openfaas import ports

TIMEOUT_S = 60.0
# Repeats a request until its status is wanted; prints the last status and answer, tries and duration.
_ASK = """
import json, sys, time, urllib.error, urllib.request
ask = json.load(sys.stdin)
begin, times = time.monotonic(), 0
while True:
    times += 1
    body = json.dumps(ask["body"]).encode() if ask["body"] is not None else None
    head = {"Content-Type": "application/json"}
    request = urllib.request.Request(ask["url"], body, head, method=ask["method"])
    try:
        with urllib.request.urlopen(request, timeout=ask["timeout_s"]) as answer:
            status, text = answer.status, answer.read().decode(errors="replace")
    except urllib.error.HTTPError as error:
        status, text = error.code, error.read().decode(errors="replace")
    except OSError as error:
        status, text = 0, str(error)
    took = time.monotonic() - begin
    if status in ask["wanted"] or took > ask["timeout_s"] or (status and ask["once"]):
        break
    time.sleep(0.01)
print(json.dumps({"status": status, "text": text, "seconds": took, "times": times}))
"""


@dataclass(frozen=True)
class Answer:
    """The answer to a request.

    Attributes:
        status: HTTP status.
        text: body.
        seconds: time until the answer.
        times: number of tries.
    """

    status: int
    text: str
    seconds: float
    times: int


@dataclass(frozen=True)
class GatewayApi:
    """A gateway.

    Attributes:
        connection: to the node it runs on.
        address: of its pod.
        python: interpreter of that node.
    """

    connection: Connection
    address: str
    python: str = "python3"

    def ask(
        self,
        method: str,
        path: str,
        body: Any = None,
        wanted: tuple[int, ...] = (200, 202),
        timeout_s: float = TIMEOUT_S,
        *,
        once: bool = True,
    ) -> Answer:
        """Send a request; returns the answer.

        With ``once=False`` it is repeated until the status is wanted. A request without an answer is repeated
        in any case.

        Raises:
            DeployError: the gateway answers another status, something that is no answer, or not at all.
        """
        asked = {
            "method": method,
            "url": f"http://{self.address}:{ports.GATEWAY}{path}",
            "body": body,
            "wanted": list(wanted),
            "timeout_s": timeout_s,
            "once": once,
        }
        done = self.connection.run(
            [self.python, "-I", "-c", _ASK], timeout=2 * timeout_s + 30, stdin=json.dumps(asked).encode()
        )
        try:
            answer = Answer(**json.loads(done.stdout))
        except (ValueError, TypeError) as error:
            raise DeployError(
                f"{self.connection.node}: no answer of the gateway: {done.stdout[:300]!r}"
            ) from error
        if answer.status not in wanted:
            raise DeployError(
                f"OpenFaaS's gateway on {self.connection.node} answers {method} {path} with status"
                f" {answer.status}: {answer.text.strip()[:300]}"
            )
        return answer
