"""Puts software on nodes: artifacts, packages, container images, playbooks."""
