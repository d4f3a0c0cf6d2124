"""The provider ``gcp``: nodes are instances of Google Compute Engine."""

from infrastructure.gcp.provider import GcpProvider

MODULE = GcpProvider

__all__ = ["MODULE"]
