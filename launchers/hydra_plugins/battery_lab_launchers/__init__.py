"""Hydra plugins that run the trials of a sweep.

Hydra imports every file without a leading underscore at each command, so these stay light: options and a class that
imports the rest from ``_`` files when a sweep starts.
"""
