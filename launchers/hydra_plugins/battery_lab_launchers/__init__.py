"""Hydra plugins that run the trials of a sweep: found by Hydra itself; what takes time to import is in ``_`` files."""
