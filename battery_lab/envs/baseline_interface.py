"""Interface of baselines on days by date, which need no training period."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

from battery_lab.envs.interfaces import Evaluation, Metric


class BaselinePeriod(Protocol):
    """Days by date on which baselines are evaluated. The attributes are those of ``World``.

    ``known`` and ``known_code`` are those of ``LabelledWorld``.
    """

    metrics: Sequence[Metric]
    score: str
    optimum: str
    rule: str

    @property
    def known(self) -> str: ...

    @property
    def known_code(self) -> int: ...

    def summary(self) -> Mapping[str, str]:
        """Return facts about the days, by label."""

    def baselines(self, names: Sequence[str]) -> dict[str, Evaluation]:
        """Evaluate some baselines, by name."""


@runtime_checkable
class DatedEnvironment(Protocol):
    """An environment whose baselines can be evaluated on days by date."""

    baselines: Mapping[str, Any]

    def open_days(self, days: str) -> BaselinePeriod:
        """Load the data.

        Args:
            days: the first and the last day, ``2025-01-01/2025-01-31``.
        """
