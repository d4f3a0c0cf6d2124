"""Starts programs in the namespaces of a node, without capabilities that they do not need.

A program of the node itself cannot be trusted to give up capabilities: root on the node may have replaced it.
So nothing of the node runs between the moment its namespaces are entered and the moment the capabilities are
gone. ``server`` does both in one process of its own with a single thread; ``client`` starts it and asks it.
"""

from continuum.connection.entry.client import spawn
from continuum.connection.entry.entered import Entered, Streams
from continuum.connection.entry.request import Request

__all__ = ["Entered", "Request", "Streams", "spawn"]
