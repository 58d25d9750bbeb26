"""RLlib learners that train on whole arrays."""
