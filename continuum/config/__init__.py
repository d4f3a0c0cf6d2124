"""From the text of a config file to a checked `Config` and the topology it describes."""
