"""A laboratory for battery dispatch with reinforcement learning."""

__version__ = "0.1.0"
