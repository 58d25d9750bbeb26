"""Readers: one market of files per module, named after the operator."""
