"""The resource manager ``kubernetes``: a cluster made by kubeadm, workloads in its pods."""

from resource_manager.kubernetes.manager import Kubernetes

MODULE = Kubernetes

__all__ = ["MODULE"]
