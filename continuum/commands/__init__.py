"""The verbs of the command line, one file each.

Each file has ``add_arguments(parser)`` and ``execute(options)``, which returns the exit status.
"""
