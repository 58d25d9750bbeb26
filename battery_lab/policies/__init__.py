"""Trained policies on their own: save, load, export."""
