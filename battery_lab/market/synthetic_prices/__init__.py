"""Synthetic prices: a five-minute market made from a seed, with forecasts."""
