"""The Compute API through Google's own client: repeats requests and waits for operations.

Every wait has a deadline. Transient errors (rate limits, server errors) are retried; others are raised as
CloudError with an explanation.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any
from urllib.parse import urlsplit

import requests
from google.api_core.exceptions import GoogleAPICallError
from google.auth import credentials as auth
from google.auth.exceptions import GoogleAuthError
from google.cloud import compute_v1

from continuum.errors import ProvisionError
from infrastructure.gcp.settings import CloudLocation

_SCOPE = "https://www.googleapis.com/auth/compute"
_LOGIN = "run: gcloud auth application-default login, or set gcp_credentials to a service account's key file"
_PASSING = (408, 429, 500, 502, 503, 504)


@dataclass(frozen=True)
class Timeouts:
    """Time limits in seconds.

    Attributes:
        request_s: one request, with its retries.
        operation_s: one operation, from its acceptance to its end.
        boot_s: from the creation of an instance until it can be logged in to.
        poll_s: pause between two polls.
        most_retry_s: longest pause between retries, whatever the server asks for.
    """

    request_s: float = 90.0
    operation_s: float = 300.0
    boot_s: float = 240.0
    poll_s: float = 1.0
    most_retry_s: float = 30.0


class CloudError(ProvisionError):
    """The API refused a request, or an operation failed.

    Attributes:
        code: HTTP status, or 0.
        reason: the API's error code, as in ``QUOTA_EXCEEDED``.
    """

    def __init__(self, what: str, code: int, reason: str, message: str) -> None:
        self.code, self.reason = code, reason
        super().__init__(f"Google Cloud: {what}: {explain(code, reason, message)}")


def explain(code: int, reason: str, message: str) -> str:
    """Message for an error of the API, with a remedy."""
    words = message.strip() or reason or f"status {code}"
    if code == 401:
        return f"the credentials are not accepted ({words}); {_LOGIN}"
    if reason.startswith(("ZONE_RESOURCE_POOL_EXHAUSTED", "STOCKOUT")):
        return f"the zone has no capacity left for this machine type ({words}); try another gcp_zone or type"
    if "QUOTA" in reason.upper() or "quota" in words.lower():
        return f"the project's quota is used up ({words}); use fewer nodes, smaller machines or ask for more"
    if code == 429 or "rateLimit" in reason:
        return f"too many requests ({words}); try again later"
    if code == 403:
        return f"not allowed ({words}); give the account the role Compute Admin, or check gcp_project"
    return words


class Cloud:
    """The API for one project."""

    def __init__(self, location: CloudLocation, timeouts: Timeouts) -> None:
        self.location, self.timeouts = location, timeouts
        url = urlsplit(location.api)
        self._host, self._scheme = url.netloc, url.scheme
        self._credentials = _credentials(location, self._scheme)
        self._client = cache(self._make_client)

    def insert(self, service: str, resource: Mapping[str, Any], request_id: str) -> None:
        """Create a resource and wait until it exists; one that exists already is left as it is.

        Args:
            service: name of the API's service, as in ``Instances``.
            resource: its JSON.
            request_id: the same for every retry.
        """
        kind = _SERVICES[service]
        body = kind.message.from_json(_json(resource))
        request = {**self._scope(service), f"{kind.word}_resource": body, "request_id": request_id}
        what = f"create {kind.word.replace('_', ' ')} {resource['name']}"
        try:
            operation = self._call(what, self._client(service).insert_unary, kind.insert(**request))
        except CloudError as error:
            if error.code != 409:
                raise
            return self._wait_existing(service, str(resource["name"]))
        return self._wait(what, operation)

    def delete(self, service: str, name: str) -> None:
        """Delete a resource and wait until it is gone; harmless if it does not exist."""
        kind = _SERVICES[service]
        request = kind.delete(**self._scope(service), **{kind.word: name})
        what = f"delete {kind.word.replace('_', ' ')} {name}"
        deadline = time.monotonic() + self.timeouts.operation_s
        while True:
            try:
                return self._wait(what, self._call(what, self._client(service).delete_unary, request))
            except CloudError as error:
                if error.code == 404:
                    return None
                passing = error.code == 409 or "NOT_READY" in error.reason or "IN_USE" in _upper(error.reason)
                if not passing or time.monotonic() > deadline:
                    raise
            time.sleep(self.timeouts.poll_s)

    def get(self, service: str, name: str) -> Any:
        """One resource; None if it does not exist."""
        kind = _SERVICES[service]
        request = kind.get(**self._scope(service), **{kind.word: name})
        try:
            return self._call(f"look at {kind.word} {name}", self._client(service).get, request)
        except CloudError as error:
            if error.code == 404:
                return None
            raise

    def names(self, service: str, condition: str) -> Iterator[str]:
        """Names of the resources that match a filter."""
        for resource in self.list(service, condition):
            yield str(resource.name)

    def list(self, service: str, condition: str) -> tuple[Any, ...]:
        """The resources that match a filter (in the API's filter language)."""
        kind = _SERVICES[service]
        found: list[Any] = []
        token = ""
        while True:
            request = kind.list(**self._scope(service), filter=condition, page_token=token)
            page = self._call(f"list {kind.word}s", self._client(service).list, request)
            found += page._response.items  # noqa: SLF001 - one page: the pager would not retry requests
            token = page._response.next_page_token  # noqa: SLF001
            if not token:
                return tuple(found)

    def guest_attributes(self, instance: str, query: str) -> dict[str, str]:
        """The attributes that the guest agent has published below ``query``; none before it starts."""
        request = compute_v1.GetGuestAttributesInstanceRequest(
            **self._scope("Instances"), instance=instance, query_path=query
        )
        try:
            found = self._call(
                f"ask {instance} for its keys", self._client("Instances").get_guest_attributes, request
            )
        except CloudError as error:
            if error.code == 404:
                return {}
            raise
        return {item.key: item.value for item in found.query_value.items}

    def _wait_existing(self, service: str, name: str) -> None:
        """After a retried request: wait until the resource that the first one created is usable."""
        if service != "Instances":
            return
        deadline = time.monotonic() + self.timeouts.operation_s
        while (found := self.get(service, name)) is not None and found.status in ("PROVISIONING", "STAGING"):
            if time.monotonic() > deadline:
                raise CloudError(f"create instance {name}", 0, "", self._too_long())
            time.sleep(self.timeouts.poll_s)

    def _wait(self, what: str, operation: Any) -> None:
        """Wait for an operation to end; CloudError if it fails or does not end in time."""
        deadline = time.monotonic() + self.timeouts.operation_s
        done = compute_v1.Operation.Status.DONE
        while operation.status != done:
            if time.monotonic() > deadline:
                raise CloudError(what, 0, "", self._too_long())
            time.sleep(self.timeouts.poll_s)
            operation = self._call(what, *self._look(operation))
        if operation.error.errors:
            first = operation.error.errors[0]
            raise CloudError(what, operation.http_error_status_code, first.code, first.message)
        if operation.http_error_status_code >= 400:
            words = operation.http_error_message
            raise CloudError(what, operation.http_error_status_code, "", words)

    def _too_long(self) -> str:
        return f"not finished after {self.timeouts.operation_s:g} s"

    def _look(self, operation: Any) -> tuple[Callable[..., Any], Any]:
        name, project = operation.name, self.location.project
        if operation.zone:
            request = compute_v1.GetZoneOperationRequest(
                project=project, zone=self.location.zone, operation=name
            )
            return self._client("ZoneOperations").get, request
        if operation.region:
            region = self.location.region
            return self._client("RegionOperations").get, compute_v1.GetRegionOperationRequest(
                project=project, region=region, operation=name
            )
        request = compute_v1.GetGlobalOperationRequest(project=project, operation=name)
        return self._client("GlobalOperations").get, request

    def _call(self, what: str, method: Callable[..., Any], request: Any) -> Any:
        """Send one request; transient errors are retried."""
        deadline = time.monotonic() + self.timeouts.request_s
        pause_s = self.timeouts.poll_s
        while True:
            try:
                return method(request=request, retry=None, timeout=self.timeouts.request_s)
            except GoogleAPICallError as error:
                failure = _failure(what, error)
                wait_s = max(pause_s, _retry_after_s(error))
                passing = failure.code in _PASSING or "rateLimitExceeded" in failure.reason
            except GoogleAuthError as error:
                raise CloudError(what, 401, "", str(error)) from error
            except requests.RequestException as error:
                failure = CloudError(
                    what,
                    0,
                    "",
                    f"{self.location.api} cannot be reached: {error}; check gcp_api",
                )
                wait_s, passing = pause_s, True
            wait_s = min(wait_s, self.timeouts.most_retry_s)
            if not passing or time.monotonic() + wait_s > deadline:
                raise failure
            time.sleep(wait_s)
            pause_s *= 2

    def _scope(self, service: str) -> dict[str, str]:
        scope = {"project": self.location.project}
        where = _SERVICES[service].where
        return scope | ({where: getattr(self.location, where)} if where else {})

    def _make_client(self, service: str) -> Any:
        client = getattr(compute_v1, f"{service}Client")
        transport = client.get_transport_class("rest")
        return client(
            transport=transport(host=self._host, credentials=self._credentials, url_scheme=self._scheme)
        )


@dataclass(frozen=True)
class _Service:
    """A service of the API: name and scope of its resources, and its message types."""

    word: str
    where: str
    message: Any
    insert: Any
    delete: Any
    get: Any
    list: Any


def _service(word: str, where: str = "") -> _Service:
    one = "".join(part.capitalize() for part in word.split("_"))
    return _Service(
        word,
        where,
        getattr(compute_v1, one),
        getattr(compute_v1, f"Insert{one}Request"),
        getattr(compute_v1, f"Delete{one}Request"),
        getattr(compute_v1, f"Get{one}Request"),
        getattr(compute_v1, f"List{one}sRequest"),
    )


_SERVICES = {
    "Networks": _service("network"),
    "Subnetworks": _service("subnetwork", "region"),
    "Firewalls": _service("firewall"),
    "Instances": _service("instance", "zone"),
    "Disks": _service("disk", "zone"),
}


def _credentials(location: CloudLocation, scheme: str) -> Any:
    """The credentials; none over plain http (loopback only), so that no token is sent in the clear."""
    if scheme == "http":
        return auth.AnonymousCredentials()
    import google.auth

    try:
        if location.credentials:
            found, _ = google.auth.load_credentials_from_file(location.credentials, scopes=[_SCOPE])
        else:
            found, _ = google.auth.default(scopes=[_SCOPE])
    except (GoogleAuthError, OSError, ValueError) as error:
        raise CloudError("log in", 401, "", str(error).splitlines()[0]) from error
    return found


def _failure(what: str, error: GoogleAPICallError) -> CloudError:
    """The error as CloudError; the message of its first detail does not contain the request's URL."""
    first = next((one for one in error.errors if isinstance(one, dict)), {})
    message = str(first.get("message") or error.message or "")
    return CloudError(what, int(error.code or 0), str(first.get("reason", "")), message)


def _retry_after_s(error: GoogleAPICallError) -> float:
    headers = getattr(error.response, "headers", None) or {}
    try:
        return float(headers.get("Retry-After", 0))
    except ValueError:
        return 0.0


def _upper(reason: str) -> str:
    """An error code in both of its spellings: ``resourceInUse...`` and ``RESOURCE_IN_USE...``."""
    return "".join(f"_{letter}" if letter.isupper() else letter.upper() for letter in reason) + reason


def _json(resource: Mapping[str, Any]) -> str:
    import json

    return json.dumps(resource)
