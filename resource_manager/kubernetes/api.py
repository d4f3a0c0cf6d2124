"""What other modules use of ``kubernetes``. They import nothing else of this package.

``kubecontrol`` and ``kubeedge`` make clusters of their own kind from these parts, ``openfaas`` runs functions
in a cluster. Below, by purpose: the manager, the cluster's nodes, installing, the API, pods.
"""

from resource_manager.kubernetes import cluster_install as install
from resource_manager.kubernetes import explain, node_files, node_transfer, pki, pod_spec
from resource_manager.kubernetes.api_client import ADMIN, PORT, Api, connect
from resource_manager.kubernetes.api_retry import call_api
from resource_manager.kubernetes.checks import CONTROL_PLANE_MB
from resource_manager.kubernetes.checks import check as check_cluster
from resource_manager.kubernetes.cluster_install import Load
from resource_manager.kubernetes.cluster_nodes import (
    CONTROL_TIER,
    OUTSIDE,
    PODS,
    SERVICES,
    TIER_LABEL,
    Member,
    control_plane_of,
    members,
)
from resource_manager.kubernetes.manager import Kubernetes
from resource_manager.kubernetes.node_clocks import wall_offsets
from resource_manager.kubernetes.node_facts import NodeFacts, gather_facts
from resource_manager.kubernetes.node_files import Cluster
from resource_manager.kubernetes.node_share import share_of
from resource_manager.kubernetes.options import SHAPED, VERSION
from resource_manager.kubernetes.pki import Trust
from resource_manager.kubernetes.pod_job import PodJob, PodProcess
from resource_manager.kubernetes.pod_spec import NAMESPACE, Start
from resource_manager.kubernetes.pod_start import follow_replica, is_ready, wait_started, wall_offsets_ns
from resource_manager.kubernetes.pod_watch import PodWatch
from resource_manager.kubernetes.runtime_probe import no_download
from resource_manager.kubernetes.runtimes import chosen as chosen_runtime
from resource_manager.kubernetes.submission import Submission, submit
from resource_manager.kubernetes.workload_image import Delivery, build_image, put_image, record_delivery

__all__ = [
    "ADMIN",
    "CONTROL_PLANE_MB",
    "CONTROL_TIER",
    "NAMESPACE",
    "OUTSIDE",
    "PODS",
    "PORT",
    "SERVICES",
    "SHAPED",
    "TIER_LABEL",
    "VERSION",
    "Api",
    "Cluster",
    "Delivery",
    "Kubernetes",
    "Load",
    "Member",
    "NodeFacts",
    "PodJob",
    "PodProcess",
    "PodWatch",
    "Start",
    "Submission",
    "Trust",
    "build_image",
    "call_api",
    "check_cluster",
    "chosen_runtime",
    "connect",
    "control_plane_of",
    "explain",
    "follow_replica",
    "gather_facts",
    "install",
    "is_ready",
    "members",
    "no_download",
    "node_files",
    "node_transfer",
    "pki",
    "pod_spec",
    "put_image",
    "record_delivery",
    "share_of",
    "submit",
    "wait_started",
    "wall_offsets",
    "wall_offsets_ns",
]
