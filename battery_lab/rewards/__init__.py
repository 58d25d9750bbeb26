"""Rewards: one term a file; a shaping is a set of weighted terms."""
