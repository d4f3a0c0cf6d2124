"""Applications, one folder each."""
