"""Forecasts: runs with their times of publication, and the newest values that are published at a time."""
