"""The keeper: the process that creates the nodes of a run and keeps them alive.

It is started as ``python -I -S`` and imports the standard library only, so that it is small and forks
quickly. When it ends, all nodes end with it.
"""
