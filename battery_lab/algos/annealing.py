"""Annealing: a number of a training, such as the learning rate, that moves between two values over the budget."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Annealing:
    """A value per environment step: linear or geometric from ``from_value`` to ``end``, and constant after it.

    After a resumption with another end, it does not turn back: if that end lies between ``start`` and the value that
    was reached, or beyond ``start``, the value stays where it is.

    Attributes:
        start: the value at the start of the training, as the options say.
        end: the value at the end of the budget.
        budget: environment steps of the training.
        is_geometric: whether it moves by equal factors, not by equal differences. Both values must be above 0 then.
        from_steps: environment steps at which it starts to move: those of a checkpoint if the budget changed there.
        from_value: the value at ``from_steps``.
    """

    start: float
    end: float
    budget: int
    is_geometric: bool
    from_steps: int
    from_value: float

    @classmethod
    def over(cls, budget: int, start: float, end: float, *, is_geometric: bool = False) -> Annealing:
        """Return the annealing of a training from its first step."""
        return cls(start=start, end=end, budget=budget, is_geometric=is_geometric, from_steps=0, from_value=start)

    def at(self, env_steps: int) -> float:
        """Return the value at an environment step."""
        left = self.budget - self.from_steps
        progress = min((env_steps - self.from_steps) / left, 1.0) if left > 0 else 1.0
        if self.is_geometric:
            return float(self.from_value * (self._target / self.from_value) ** progress)
        return self.from_value + (self._target - self.from_value) * progress

    @property
    def _target(self) -> float:
        """Return the end, or ``from_value`` if the way from there to the end would lead back."""
        if self.from_value == self.start:
            return self.end
        return max(self.end, self.from_value) if self.from_value > self.start else min(self.end, self.from_value)

    def resumed(self, stored: Mapping[str, Any], env_steps: int) -> Annealing:
        """Return the annealing of a training that is resumed with the options of this one.

        Args:
            stored: ``to_json`` of the training that is resumed.
            env_steps: its environment steps.

        Returns:
            The stored one if its options are the same. With another budget or end, it moves on from the value that
            was reached, and does not turn back: an end that is behind that value is not reached. A changed start is a
            new choice, which holds from now on.

        Raises:
            TypeError: ``stored`` is something else.
        """
        earlier = Annealing(**stored)
        if earlier.start != self.start:
            return self
        if (earlier.end, earlier.budget) == (self.end, self.budget):
            return earlier
        return replace(self, from_steps=env_steps, from_value=earlier.at(env_steps))

    def to_json(self) -> dict[str, Any]:
        """Return all values, for a checkpoint."""
        return asdict(self)
