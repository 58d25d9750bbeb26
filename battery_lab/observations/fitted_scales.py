"""Fitted scales: the scales of columns and features, fitted to the training period and stored with a policy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from battery_lab.observations.column_scale import ColumnScale

Array = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Scaling:
    """Everything that is fitted to the training period. A stored policy keeps it, so that it sees any market alike.

    Attributes:
        columns: the scale of each market column.
        mean: (W,) means of the features that are not a window.
        std: (W,) their standard deviations.
    """

    columns: Mapping[str, ColumnScale]
    mean: Array
    std: Array

    def to_json(self) -> dict[str, Any]:
        """Return plain lists and numbers."""
        columns = {name: [s.squash, s.mean, s.std] for name, s in self.columns.items()}
        return {"columns": columns, "mean": self.mean.tolist(), "std": self.std.tolist()}

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Scaling:
        """Restore what ``to_json`` returned."""
        columns = {name: ColumnScale(*numbers) for name, numbers in stored["columns"].items()}
        return cls(columns=columns, mean=np.asarray(stored["mean"]), std=np.asarray(stored["std"]))
