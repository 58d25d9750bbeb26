"""Intervals: rows with stamps as one unbroken series with one row per interval."""
