"""Observation layout: the name and place of each number in an observation."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Layout:
    """What stands where in an observation.

    Attributes:
        names: one name a number.
        window_first: where the window over time begins, oldest value first.
        window_size: how many values it has; 0 if the set has none.
    """

    names: tuple[str, ...]
    window_first: int
    window_size: int

    @property
    def size(self) -> int:
        """How many numbers an observation has."""
        return len(self.names)
