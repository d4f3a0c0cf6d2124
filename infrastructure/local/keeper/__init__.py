"""The process that makes the nodes of one run and keeps them alive.

It is started as ``python -I -S`` and imports the standard library only, so that it is small and
quick to fork. When it dies, every node dies with it.
"""
