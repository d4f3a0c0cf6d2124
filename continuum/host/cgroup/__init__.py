"""Control groups: what bounds the CPU time, memory and disk of nodes and workloads.

``plan`` says which file gets which value, for cgroup v1 and v2, and touches nothing; ``find`` looks where
on this host groups can be made; ``groups`` makes, reads and removes them; ``node`` are those of one node.
"""
