"""Networks between nodes: planning, two emulation engines, and measurement of what the links do."""
