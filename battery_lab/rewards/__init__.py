"""Rewards: one term per file; a shaping is a set of weighted terms."""
