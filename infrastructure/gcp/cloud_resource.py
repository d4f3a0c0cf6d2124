"""The resources of a run in a project: networks, firewall rules, instances."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from continuum.modules.resource import Resource
from infrastructure.gcp import names

if TYPE_CHECKING:
    from infrastructure.gcp.api import Cloud

KINDS = {
    "Networks": "gcp-network",
    "Subnetworks": "gcp-subnetwork",
    "Firewalls": "gcp-firewall",
    "Instances": "gcp-instance",
    "Disks": "gcp-disk",
}
"""Kind in the journal, by service of the API; disks are created with their instances and not journalled."""


@dataclass(frozen=True)
class CloudResource(Resource[None]):
    """One resource.

    Attributes:
        cloud: the project.
        service: service of the API, as in ``Instances``.
        name: its name in the project.
        run_id: the run it belongs to.
        body: its JSON, to create it.
    """

    cloud: Cloud
    service: str
    name: str
    run_id: str
    body: Mapping[str, Any] = field(default_factory=dict)

    @property
    def kind(self) -> str:  # type: ignore[override]
        """Its kind in the journal."""
        return KINDS[self.service]

    def create(self) -> None:
        """Create it and wait until it exists; CloudError if the API refuses."""
        ident = names.request_id(self.run_id, self.service, self.name)
        self.cloud.insert(self.service, self.body, ident)

    def delete(self) -> None:
        """Delete it and wait until it is gone; harmless if it does not exist."""
        self.cloud.delete(self.service, self.name)
