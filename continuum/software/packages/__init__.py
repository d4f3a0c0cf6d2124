"""Getting a workload's code and libraries onto nodes that do not share this host's Python.

``interpreter`` says what a node runs, ``lock`` and ``store`` find the wheels for it, ``trees`` installs them
here, ``build`` puts a package together, ``deliver`` brings it to nodes, ``on_node`` talks to one of them, and
``node_install`` is what runs there for that.
"""
