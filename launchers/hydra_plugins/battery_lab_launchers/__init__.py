"""Hydra plugins that run the trials of a sweep.

Hydra imports every file without a leading underscore whenever a command starts, so these files stay small: options, and
a class that imports the rest from ``_`` files when a sweep starts.
"""
