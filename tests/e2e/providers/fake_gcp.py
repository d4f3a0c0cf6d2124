"""A server on loopback that speaks the part of the Compute REST API that the provider ``gcp`` uses.

It keeps state: what was inserted is there until it is deleted, operations take some looks to end, a network
that is in use cannot be deleted, disks go with their instance. Faults are laid out beforehand.
"""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

Json = dict[str, Any]
KINDS = ("networks", "subnetworks", "firewalls", "instances", "disks")
_PATH = re.compile(
    r"/compute/v1/projects/(?P<project>[^/]+)/(?P<scope>global|regions/[^/]+|zones/[^/]+)"
    r"/(?P<kind>[a-z]+)(/(?P<name>[^/]+))?(/(?P<verb>\w+))?"
)


@dataclass
class Fault:
    """What shall go wrong, and when.

    Attributes:
        method: of the request.
        path: what its path contains, as a regular expression.
        status: HTTP status to answer with; 0 lets it pass but for what follows.
        reason: the API's word for it.
        headers: to answer with.
        skip: requests of this sort that pass first.
        times: requests of this sort that it happens to, then.
        operation: error code that the operation ends with instead; ``never`` if it does not end.
        after: called when the request has taken effect, before it is answered.
        lose_answer: whether the request takes effect and no answer is sent.
    """

    method: str
    path: str
    status: int = 0
    reason: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    skip: int = 0
    times: int = 1
    operation: str = ""
    after: Callable[[], None] | None = None
    lose_answer: bool = False

    def strikes(self, method: str, path: str) -> bool:
        if method != self.method or not re.search(self.path, path) or self.times == 0:
            return False
        if self.skip:
            self.skip -= 1
            return False
        self.times -= 1
        return True


class FakeCompute:
    """The state of one project, and the server in front of it.

    Attributes:
        resources: by kind and name.
        requests: ``METHOD path`` of every request, in order.
        faults: those that have yet to happen.
        looks: how many looks an operation takes to end.
        host_keys: what guest agents publish, by kind of key.
        on_boot: called with every new instance.
    """

    def __init__(self) -> None:
        self.resources: dict[str, dict[str, Json]] = {kind: {} for kind in KINDS}
        self.requests: list[str] = []
        self.at: list[float] = []
        self.faults: list[Fault] = []
        self.looks = 1
        self.host_keys: dict[str, str] = {"ssh-ed25519": "AAAA"}
        self.on_boot: Callable[[Json], None] = lambda _instance: None
        self._operations: dict[str, Json] = {}
        self._done_requests: dict[str, Json] = {}
        self._lock = threading.RLock()
        self._instances = 0
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def left(self) -> dict[str, list[str]]:
        """Names of everything that exists, by kind."""
        with self._lock:
            return {kind: sorted(things) for kind, things in self.resources.items() if things}

    def forget_addresses(self) -> None:
        """Let the next instances have the first addresses again."""
        self._instances = 0

    @contextmanager
    def serving(self) -> Iterator[FakeCompute]:
        thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield self
        finally:
            self._server.shutdown()
            self._server.server_close()
            thread.join()

    def answer(self, method: str, url: str, body: Json) -> tuple[int, Json, Mapping[str, str]] | None:
        """What to answer a request with: status, JSON and headers; None for not at all."""
        parts = urlsplit(url)
        query = {key: values[0] for key, values in parse_qs(parts.query).items()}
        with self._lock:
            self.requests.append(f"{method} {parts.path}")
            self.at.append(time.monotonic())
            fault = next((one for one in self.faults if one.strikes(method, parts.path)), None)
            if fault and fault.status:
                return (*_error(fault.status, fault.reason, "as laid out"), fault.headers)
            found = _PATH.fullmatch(parts.path)
            if not found:
                return (*_error(404, "notFound", f"no such path: {parts.path}"), {})
            status, answer = self._route(method, found.groupdict(), query, body, fault)
        if fault and fault.after:
            fault.after()
        return None if fault and fault.lose_answer else (status, answer, {})

    def _route(
        self, method: str, at: Mapping[str, str], query: Mapping[str, str], body: Json, fault: Fault | None
    ) -> tuple[int, Json]:
        kind, name = at["kind"], at["name"]
        if kind == "operations":
            return self._look(name)
        if kind not in self.resources:
            return _error(404, "notFound", kind)
        things = self.resources[kind]
        if at["verb"] == "getGuestAttributes":
            return self._guest_attributes(name)
        if method == "POST":
            return self._insert(kind, at, query, body, fault)
        if method == "GET" and not name:
            items = [thing for thing in things.values() if _matches(thing, query.get("filter", ""))]
            return 200, {"items": items}
        if name not in things:
            return _error(404, "notFound", f"The resource '{name}' was not found")
        if method == "GET":
            return 200, things[name]
        return self._delete(kind, name, at, fault)

    def _insert(
        self, kind: str, at: Mapping[str, str], query: Mapping[str, str], body: Json, fault: Fault | None
    ) -> tuple[int, Json]:
        ident = query.get("requestId", "")
        if ident and ident in self._done_requests:
            return 200, self._done_requests[ident]
        name = body["name"]
        if name in self.resources[kind]:
            return _error(409, "alreadyExists", f"The resource '{name}' already exists")
        missing = self._missing(body)
        if missing:
            return _error(400, "invalid", f"{missing} does not exist")
        failed = fault.operation if fault and fault.operation not in ("", "never") else ""
        if not failed:
            self.resources[kind][name] = body
            if kind == "instances":
                self._boot(body)
        operation = self._operation(at["scope"], "insert", fault)
        self._done_requests[ident] = operation
        return 200, operation

    def _missing(self, body: Json) -> str:
        """A network or subnetwork that is referred to and not there."""
        wanted = [("networks", body["network"])] if "network" in body else []
        wanted += [("subnetworks", one["subnetwork"]) for one in body.get("networkInterfaces", ())]
        return next((ref for kind, ref in wanted if ref.rpartition("/")[2] not in self.resources[kind]), "")

    def _boot(self, instance: Json) -> None:
        self.on_boot(instance)
        self._instances += 1
        number = self._instances
        instance["status"] = "RUNNING"
        interface = instance["networkInterfaces"][0]
        interface["networkIP"] = interface["accessConfigs"][0]["natIP"] = f"127.0.80.{number}"
        for disk in instance["disks"]:
            labels = disk["initializeParams"].get("labels", {})
            about = disk["initializeParams"].get("description", "")
            self.resources["disks"][instance["name"]] = {
                "name": instance["name"],
                "labels": labels,
                "description": about,
            }

    def _delete(self, kind: str, name: str, at: Mapping[str, str], fault: Fault | None) -> tuple[int, Json]:
        user = self._user_of(kind, name)
        if user:
            return _error(400, "resourceInUseByAnotherResource", f"{name} is already being used by {user}")
        failed = fault.operation if fault and fault.operation not in ("", "never") else ""
        if not failed:
            del self.resources[kind][name]
            if kind == "instances":
                self.resources["disks"].pop(name, None)
        return 200, self._operation(at["scope"], "delete", fault)

    def _user_of(self, kind: str, name: str) -> str:
        for other_kind, things in self.resources.items():
            for other in things.values():
                refs = [
                    other.get("network", ""),
                    *(i["subnetwork"] for i in other.get("networkInterfaces", ())),
                ]
                wanted = "networks" if other_kind in ("subnetworks", "firewalls") else "subnetworks"
                if kind == wanted and any(ref.rpartition("/")[2] == name for ref in refs):
                    return str(other["name"])
        return ""

    def _operation(self, scope: str, verb: str, fault: Fault | None) -> Json:
        name = f"operation-{len(self._operations)}"
        code = fault.operation if fault else ""
        operation: Json = {
            "name": name,
            "status": "RUNNING",
            "operationType": verb,
            "looks": self.looks,
            "fails": code,
        }
        word, _, place = scope.partition("/")
        if place:
            operation[word[:-1]] = place
        self._operations[name] = operation
        return _shown(operation)

    def _look(self, name: str) -> tuple[int, Json]:
        operation = self._operations[name]
        code = operation["fails"]
        if code == "never":
            return 200, _shown(operation)
        operation["looks"] -= 1
        if operation["looks"] <= 0:
            operation["status"] = "DONE"
            if code:
                operation["error"] = {"errors": [{"code": code, "message": f"{code} as laid out"}]}
                operation["httpErrorStatusCode"] = 403
                operation["httpErrorMessage"] = "FORBIDDEN"
        return 200, _shown(operation)

    def _guest_attributes(self, name: str) -> tuple[int, Json]:
        if name not in self.resources["instances"] or not self.host_keys:
            return _error(404, "notFound", "no guest attributes yet")
        items = [{"namespace": "hostkeys", "key": kind, "value": key} for kind, key in self.host_keys.items()]
        return 200, {"queryPath": "hostkeys/", "queryValue": {"items": items}}

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        fake = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def _serve(self) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                body = json.loads(self.rfile.read(length) or b"{}")
                answer = fake.answer(self.command, self.path, body)
                if answer is None:
                    self.close_connection = True
                    return
                status, content, headers = answer
                data = json.dumps(content).encode()
                self.send_response(status)
                for name, value in {"Content-Type": "application/json", **headers}.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            do_GET = do_POST = do_DELETE = _serve  # noqa: N815

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002
                pass

        return Handler


def _error(status: int, reason: str, message: str) -> tuple[int, Json]:
    errors = [{"reason": reason, "message": message, "domain": "global"}]
    return status, {"error": {"code": status, "message": message, "errors": errors}}


def _shown(operation: Json) -> Json:
    return {key: value for key, value in operation.items() if key not in ("looks", "fails")}


def _matches(thing: Json, condition: str) -> bool:
    """The two sorts of conditions that the provider writes."""
    if not condition:
        return True
    if label := re.fullmatch(r"labels\.([\w-]+)=([\w-]+)", condition):
        return bool(thing.get("labels", {}).get(label[1]) == label[2])
    if name := re.fullmatch(r'name eq "(.*)"', condition):
        return re.fullmatch(name[1], thing["name"]) is not None
    raise ValueError(f"a condition the fake does not know: {condition}")
