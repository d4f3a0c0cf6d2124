"""Connections to nodes, one file per kind."""

from continuum.connection.base import Completed, Connection, Limits, Process

__all__ = ["Completed", "Connection", "Limits", "Process"]
