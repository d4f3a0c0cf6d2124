"""What runs on nodes and how it talks to the orchestrator. Standard library only."""
