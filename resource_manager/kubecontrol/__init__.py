"""The resource manager ``kubecontrol``: Kubernetes, whose control plane is what is measured."""

from resource_manager.kubecontrol.manager import KubeControl

MODULE = KubeControl

__all__ = ["MODULE"]
