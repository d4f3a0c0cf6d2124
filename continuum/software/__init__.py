"""How software gets onto nodes: artifacts, packages, container images, playbooks."""
