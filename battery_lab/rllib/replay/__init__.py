"""Replay buffer of whole arrays, and its checkpoints."""
