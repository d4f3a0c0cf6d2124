"""One run from its first phase to its last."""
