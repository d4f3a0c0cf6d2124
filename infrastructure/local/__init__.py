"""The provider ``local``: nodes are namespaces of this host."""

from infrastructure.local.provider import LocalProvider

MODULE = LocalProvider

__all__ = ["MODULE"]
