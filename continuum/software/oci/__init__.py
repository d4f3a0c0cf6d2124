"""Container images as archives, made without a registry, a daemon or a container.

``layer`` makes the layers, ``image`` puts them together into an archive that ``ctr images import`` and
``docker load`` both extract, ``archive`` reads such archives. The same input makes the same bytes.
"""

from continuum.software.oci.archive import Archive, ArchiveError, references
from continuum.software.oci.extract_file import extract, program
from continuum.software.oci.image import Image, ImageConfig, thin, write
from continuum.software.oci.layer import Layer, from_files, from_tar
from continuum.software.oci.merge import merge

__all__ = [
    "Archive",
    "ArchiveError",
    "Image",
    "ImageConfig",
    "Layer",
    "from_files",
    "from_tar",
    "merge",
    "program",
    "references",
    "extract",
    "thin",
    "write",
]
