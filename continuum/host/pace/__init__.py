"""Slows processors down: a process stops the nodes of a run for a part of each millisecond that they compute.

A CPU quota bounds how much a node computes in a period, not how fast: bursts that are shorter than the quota
run at full speed. Here a timer of the kernel (``perf_event``) fires after each slice of CPU time that a node
has used, and the node is stopped (``freezer``) until a slower processor would have got so far. ``debt`` says
for how long and is pure; ``process`` is the loop; ``start`` starts it; ``calibrate`` measures the result.

The process is started as a program from this folder, without the rest of the project; so the modules it
consists of import each other relatively.
"""
