"""RLlib's learners on whole arrays."""
