"""Algorithms: one a file, a frozen dataclass that builds an RLlib AlgorithmConfig."""
