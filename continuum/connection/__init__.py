"""Connections to nodes: one file per kind of connection."""

from continuum.connection.base import Completed, Connection, Process
from continuum.model.limits import Limits

__all__ = ["Completed", "Connection", "Limits", "Process"]
