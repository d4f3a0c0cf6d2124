"""The contract of modules: base classes, the registry that finds them, and the plan of a run."""
