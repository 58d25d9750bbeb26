"""Benchmarks: speed and learning of the lab beside RLlib, Stable-Baselines3 and plain torch loops."""

import battery_lab  # noqa: F401  It sets how long torch's threads spin, here for every implementation.
