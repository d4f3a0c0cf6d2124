"""A network in user space: one process moves the packets between the nodes' TUN devices.

``client`` starts the process and speaks to it, ``tun`` makes the devices. The rest runs inside the process
and uses the standard library alone, because it starts without site packages: that takes 25 ms.
"""
