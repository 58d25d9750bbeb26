"""Algorithms: one per file, each a frozen dataclass that builds a learner."""
