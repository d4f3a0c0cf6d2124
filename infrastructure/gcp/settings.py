"""The config keys of the provider and their checks; pure."""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from continuum.errors import Problem
from continuum.options import FilePath, Flag, Integer, Option, Text

if TYPE_CHECKING:
    from continuum.model.config import Config
    from continuum.model.topology import Topology

_SECTION = "infrastructure"
BUILTIN = ("cloud", "edge", "endpoint")

OPTIONS: tuple[Option, ...] = (
    Option(_SECTION, "gcp_project", Text(), None, "Id of the project that pays."),
    Option(
        _SECTION,
        "gcp_region",
        Text(),
        None,
        'Region of the network, as in "europe-west4".',
        default_text="the zone's",
    ),
    Option(_SECTION, "gcp_zone", Text(), None, 'Zone of the instances, as in "europe-west4-a".'),
    Option(
        _SECTION,
        "gcp_credentials",
        FilePath(),
        None,
        "Key file of a service account.",
        default_text="Application Default Credentials",
    ),
    *(
        Option(
            _SECTION,
            f"gcp_{tier}",
            Text(),
            None,
            f'Machine type of the tier {tier}, as in "e2-standard-2".',
            default_text="`gcp_machine`",
        )
        for tier in BUILTIN
    ),
    Option(_SECTION, "gcp_machine", Text(), None, "Machine type of tiers without a key of their own."),
    Option(
        _SECTION,
        "gcp_image",
        Text(),
        "debian-cloud/debian-12",
        "Image family, as PROJECT/FAMILY; it must have Google's guest agent, Python 3 and iproute2.",
    ),
    Option(_SECTION, "gcp_disk", Integer(minimum=10), 10, "Size of each boot disk in GB."),
    Option(
        _SECTION,
        "gcp_spot",
        Flag(),
        False,
        "Use spot instances: cheaper, but Google may stop them at any time.",
    ),
    Option(
        _SECTION,
        "gcp_source",
        Text(),
        "auto",
        "Public address or network that may log in; auto asks Google's name server.",
    ),
    Option(_SECTION, "gcp_user", Text(), "continuum", "Account that is created on the instances."),
    Option(
        _SECTION, "gcp_ssh_port", Integer(minimum=1, maximum=65535), 22, "Port of the image's ssh daemon."
    ),
    Option(
        _SECTION,
        "gcp_api",
        Text(),
        "https://compute.googleapis.com",
        "Address of the Compute API; plain http on loopback only.",
    ),
)


@dataclass(frozen=True)
class CloudLocation:
    """Where in Google Cloud a run is, and which project pays; identifies its resources after a crash.

    Attributes:
        project: id of the project.
        region: of the network.
        zone: of the instances.
        credentials: path of a key file; empty for Application Default Credentials.
        api: address of the API.
    """

    project: str
    region: str
    zone: str
    credentials: str = ""
    api: str = "https://compute.googleapis.com"

    @property
    def has_defaults(self) -> bool:
        """Whether it uses Google's own address and the default credentials."""
        return not self.credentials and self.api == CloudLocation.api

    def to_json(self) -> str:
        """The entry for the journal."""
        return json.dumps(asdict(self), sort_keys=True)

    @staticmethod
    def from_json(text: str) -> CloudLocation:
        """The location from an entry of the journal."""
        return CloudLocation(**json.loads(text))


def location_of(config: Config) -> CloudLocation:
    """The location that a checked config names."""
    section = config.infrastructure
    zone = section.text("gcp_zone")
    credentials = section.path("gcp_credentials")
    return CloudLocation(
        section.text("gcp_project"),
        section.maybe_text("gcp_region") or region_of(zone),
        zone,
        str(credentials) if credentials else "",
        section.text("gcp_api"),
    )


def region_of(zone: str) -> str:
    """The region of a zone."""
    return zone.rpartition("-")[0]


def machine_of(config: Config, tier: str) -> str | None:
    """The machine type of a tier."""
    own = config.infrastructure.maybe_text(f"gcp_{tier}") if tier in BUILTIN else None
    return own or config.infrastructure.maybe_text("gcp_machine")


def problems(config: Config, topology: Topology) -> Iterator[Problem]:
    """Keys that are missing, invalid or contradict each other."""
    section = config.infrastructure
    hints = {
        "gcp_project": "your project's id; `gcloud projects list` shows it",
        "gcp_zone": 'a zone, as in "europe-west4-a"; `gcloud compute zones list` shows all',
    }
    for key, hint in hints.items():
        if not section.maybe_text(key):
            yield section.problem(key, f"missing; write {hint}")
    zone, region = section.maybe_text("gcp_zone"), section.maybe_text("gcp_region")
    if zone and not region_of(zone):
        yield section.problem("gcp_zone", 'not a zone; write e.g. "europe-west4-a"')
    elif zone and region and region_of(zone) != region:
        yield section.problem("gcp_region", f"the zone {zone} is in another region; leave gcp_region out")
    for tier in topology.tiers:
        if machine_of(config, tier.name) is None:
            key = f"gcp_{tier.name}" if tier.name in BUILTIN else "gcp_machine"
            yield section.problem(
                key, f'missing, and there are {tier.name} nodes; write e.g. "e2-standard-2"'
            )
    if len(section.text("gcp_image").split("/")) != 2:
        yield section.problem("gcp_image", 'not PROJECT/FAMILY; write e.g. "debian-cloud/debian-12"')
    yield from _addresses(config)


def _addresses(config: Config) -> Iterator[Problem]:
    section = config.infrastructure
    source = section.text("gcp_source")
    if source != "auto":
        try:
            network = ipaddress.ip_network(source, strict=False)
        except ValueError:
            yield section.problem("gcp_source", 'not an address; write e.g. "203.0.113.7" or "auto"')
        else:
            if network.prefixlen == 0:
                yield section.problem("gcp_source", "would let every address log in; write your own address")
    url = urlsplit(section.text("gcp_api"))
    if url.scheme not in ("http", "https") or not url.hostname:
        yield section.problem("gcp_api", "not an http(s) URL; leave it out to use Google's own")
    elif url.scheme == "http" and url.hostname not in ("127.0.0.1", "localhost", "::1"):
        yield section.problem("gcp_api", "plain http would reveal the credentials; write https")


def unlimited(topology: Topology) -> tuple[str, ...]:
    """Limits of the config that these nodes do not enforce."""
    found = []
    if any(tier.quota < 1 for tier in topology.tiers):
        found.append("CPU quotas are not enforced on instances; choose a smaller machine type")
    if any(tier.read_mb_per_s or tier.write_mb_per_s for tier in topology.tiers):
        found.append("disk limits are not enforced on instances")
    return tuple(found)
