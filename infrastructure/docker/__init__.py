"""The provider ``docker``: nodes are containers."""

from infrastructure.docker.provider import DockerProvider

MODULE = DockerProvider

__all__ = ["MODULE"]
