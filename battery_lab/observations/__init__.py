"""Observations: features of the market by source, and sets of them."""
