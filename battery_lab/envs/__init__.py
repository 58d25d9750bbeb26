"""Environments: vector environments of whole arrays, and what each hands to evaluation and report."""
