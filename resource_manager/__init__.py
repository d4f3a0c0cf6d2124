"""Resource managers, one folder each."""
