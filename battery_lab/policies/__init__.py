"""A trained policy on its own: load, save, export."""
