"""The resource manager ``none``: workloads are started directly on nodes."""

from resource_manager.none.manager import NoManager

MODULE = NoManager

__all__ = ["MODULE"]
