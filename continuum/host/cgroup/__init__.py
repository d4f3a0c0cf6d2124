"""Control groups, which limit CPU time, memory and disk throughput of nodes and workloads.

``group_plan`` computes groups and their settings for cgroup v1 and v2 and is pure; ``find`` finds out where
groups can be created on this host; ``groups`` creates, reads and deletes them; ``node`` has the groups of one
node.
"""
