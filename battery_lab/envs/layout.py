"""Observation layout: the name and place of each number in an observation."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Layout:
    """Names and places of the numbers in an observation.

    Attributes:
        names: one name per number.
        window_first: index of the first value of the time window, whose oldest value comes first.
        window_size: number of values in the window; 0 without a window.
    """

    names: tuple[str, ...]
    window_first: int
    window_size: int

    @property
    def size(self) -> int:
        """Number of values in an observation."""
        return len(self.names)
