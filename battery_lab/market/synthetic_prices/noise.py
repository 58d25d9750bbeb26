"""Noise of the synthetic market: all random numbers of its prices and of its forecasts, each from its own generator."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from battery_lab.market.synthetic_prices.bursts import Plunges, Spikes
from battery_lab.market.synthetic_prices.drivers import Array

DRIVERS = ("temperature", "cloud", "wind")
SHOCKS = ("flicker", "demand", "outage", "neighbour", "bid", "jump", "quote", "forecast")
BURSTS = (Spikes.group, Plunges.group)
FORECAST_KEY = 1000  # first key of the generators of forecasts, beyond those of prices


def draw_noise(seed: int, steps: int) -> dict[str, Array]:
    """Return all random numbers of a market: (steps,) arrays by name.

    Each name has a separate generator, so that a longer market begins with the numbers of a shorter one. Noise whose
    name ends in ``_news`` is known ISSUED_STEPS before its step; other noise is known at its step.
    """
    names = [f"{name}_{part}" for name in DRIVERS for part in ("news", "surprise")] + list(SHOCKS)
    names += [f"{group}_{part}" for group in BURSTS for part in ("chance", "size", "wobble")]
    return _draw(seed, steps, names, 0)


def draw_forecast_noise(seed: int, steps: int) -> dict[str, Array]:
    """Return the random numbers of a market's vintages, as ``draw_noise`` does. None is of its prices."""
    names = ["slow_error", "fast_error"]
    for group in BURSTS:
        names += [f"{group}_{part}" for part in ("seen_chance", "lead_size", "late_size", "error")]
        names += [f"{group}_alarm_{part}" for part in ("chance", "size", "wobble", "lead_size", "withdrawn_size")]
    return _draw(seed, steps, names, FORECAST_KEY)


def _draw(seed: int, steps: int, names: Sequence[str], first_key: int) -> dict[str, Array]:
    """Draw uniform numbers for chances, exponential ones for sizes, and normal ones for all else."""
    noise = {}
    for key, name in enumerate(names, first_key):
        generator = np.random.Generator(np.random.PCG64(np.random.SeedSequence(seed, spawn_key=(key,))))
        if name.endswith("_chance"):
            noise[name] = generator.random(steps)
        elif name.endswith("_size"):
            noise[name] = generator.standard_exponential(steps)
        else:
            noise[name] = generator.standard_normal(steps)
    return noise
