"""Networks between nodes: planned, emulated by one of two engines, and measured."""
