"""A policy that stands by itself: exported, loaded without what trained it, and served."""
