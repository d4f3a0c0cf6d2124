"""Watches a run from its first request to its last: network engine, links, packets, CPUs.

``watcher`` reads the sources regularly in a thread and passes the readings to one class for each question:
``engine_watch``, ``link_watch``, ``packet_watch`` and ``cpu_watch``. These are pure: readings with their
times go in, disturbances come out.
"""
