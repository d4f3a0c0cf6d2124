"""The resource manager ``kubeedge``: edge nodes that join a Kubernetes cluster and work on without it."""

from resource_manager.kubeedge.manager import KubeEdge

MODULE = KubeEdge

__all__ = ["MODULE"]
