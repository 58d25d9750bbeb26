"""A replay memory of whole arrays, and its checkpoints."""
