"""Getting a workload's code and libraries onto nodes that do not share this host's Python.

``interpreter`` says what a node runs, ``lock`` and ``store`` find the wheels for it, ``build`` puts a
package together, ``deliver`` copies and installs it, ``node_install`` is what runs on the node for that.
"""
