"""Pictures of what a battery did on its market."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import pandas as pd

from battery_lab.report import Panel

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def panels(frame: pd.DataFrame, currency: str, baselines: Mapping[str, pd.DataFrame]) -> list[Panel]:
    """Return the pictures of one policy over a period.

    Args:
        frame: as ``Dispatch.frame`` makes it.
        currency: of prices and money.
        baselines: the same of other policies, by name.
    """

    def months(figure: Figure) -> None:
        axes = figure.subplots()
        for name, one in {"policy": frame, **baselines}.items():
            sums = one["profit"].groupby(one["local_start"].dt.strftime("%Y-%m")).sum()
            axes.plot(sums.index, sums.to_numpy(), label=name)
        axes.set_ylabel(f"profit, {currency}")
        axes.legend()

    return [Panel(title="Profit by month", caption="Local months.", draw=months, size=(9.0, 4.0))]
