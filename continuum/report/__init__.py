"""Run directory -> terminal table, plots, HTML. Reads nothing but that folder."""
