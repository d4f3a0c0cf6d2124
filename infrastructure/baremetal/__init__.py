"""The provider ``baremetal``: nodes are hosts of one's own, reached by ssh."""

from infrastructure.baremetal.provider import BaremetalProvider

MODULE = BaremetalProvider

__all__ = ["MODULE"]
