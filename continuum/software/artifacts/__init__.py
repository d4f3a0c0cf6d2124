"""Files that modules install on nodes: which ones a config needs, whether they are present, how to get them.

``table`` reads a module's ``versions.yml``, ``folder`` checks a folder of artifacts against its manifest,
``download`` fetches what is missing, and ``resolve`` returns the path of every file that a run needs.
"""

from continuum.software.artifacts.artifact import Artifact, architecture_of
from continuum.software.artifacts.resolve import problems, resolve
from continuum.software.artifacts.table import check_version, known, versions

__all__ = [
    "Artifact",
    "architecture_of",
    "check_version",
    "known",
    "problems",
    "resolve",
    "versions",
]
