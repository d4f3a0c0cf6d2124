"""A user-space network: one process moves packets between the TUN devices of nodes.

``client`` starts the process and communicates with it, ``tun`` creates the devices, ``ending`` ends the
process. The other modules run inside the process. They use only the standard library, because the process
starts without site packages, which takes 25 ms.
"""
