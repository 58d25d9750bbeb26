"""Dynamic programming over stored energy: grid, Bellman backup, perfect foresight."""
