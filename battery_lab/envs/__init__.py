"""Environments: their interfaces, loading, and one folder per environment."""
