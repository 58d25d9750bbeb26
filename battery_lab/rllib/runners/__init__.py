"""RLlib's environment runners on whole arrays."""
