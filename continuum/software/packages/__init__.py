"""Delivers a workload's code and libraries to nodes that do not share this host's Python.

``interpreter`` describes a node's Python, ``lock`` and ``store`` find the wheels for it, ``trees`` installs
them into archives, ``build`` assembles a package, ``deliver`` copies it to nodes, ``on_node`` runs
``node_install`` on a node, and ``extras`` finds packages that are missing on this host.
"""
