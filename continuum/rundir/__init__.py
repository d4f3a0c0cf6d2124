"""The folder of a run: its files, journal and index."""
