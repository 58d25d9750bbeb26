"""Pooled capture of runs with other test periods each: the profits of all, divided by those of perfect foresight.

python -m benchmarks.pooled_capture outputs/sweeps/<sweep>/*/
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from omegaconf import OmegaConf

from battery_lab.common.errors import ConfigError
from battery_lab.common.run_folder import RunFolder

POLICY, OPTIMUM = "test/profit_per_day", "baseline/perfect_foresight/profit_per_day"


class Period(NamedTuple):
    """One run's test period.

    Attributes:
        days: its length.
        profit_per_day: profit of the policy, currency per day.
        optimum_per_day: profit of perfect foresight.
    """

    days: int
    profit_per_day: float
    optimum_per_day: float


def read_period(run: Path) -> Period:
    """Return the test period of a run.

    Raises:
        ConfigError: the folder holds no finished run.
    """
    folder = RunFolder(run)
    if not folder.metrics.is_file():
        raise ConfigError(f"{run} must be the folder of a finished run, and holds no {folder.metrics.name}")
    metrics = json.loads(folder.metrics.read_text())
    return Period(int(OmegaConf.load(folder.trial).env.test_days), metrics[POLICY], metrics[OPTIMUM])


def pool(periods: Sequence[Period]) -> Period:
    """Return the periods as one: the sum of days, and profits per day of all days."""
    days = sum(period.days for period in periods)
    policy = sum(period.days * period.profit_per_day for period in periods)
    optimum = sum(period.days * period.optimum_per_day for period in periods)
    return Period(days, policy / days, optimum / days)


def main(runs: Sequence[str]) -> None:
    """Print the pooled profit and capture of runs."""
    if not runs:
        raise ConfigError("the folders of the runs must be given, such as outputs/sweeps/<sweep>/*/")
    one = pool([read_period(Path(run)) for run in runs])
    capture = one.profit_per_day / one.optimum_per_day
    print(
        f"{len(runs)} runs, {one.days} days: {one.profit_per_day:,.0f} per day of {one.optimum_per_day:,.0f}, "
        f"capture {capture:.3f}"
    )


if __name__ == "__main__":
    main(sys.argv[1:])
