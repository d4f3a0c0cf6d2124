"""The verbs of the command line, one file each.

A verb has ``add_arguments(parser)`` and ``execute(options) -> exit status``.
"""
