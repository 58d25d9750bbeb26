"""Profit picture: cumulative profits, and labels that do not overlap."""

from __future__ import annotations

import matplotlib as mpl
import pandas as pd
import pytest
from matplotlib.figure import Figure

from benchmarks.profit_picture import BASELINES, daily, draw, spread


def frame(profit_per_interval: float) -> pd.DataFrame:
    start = pd.date_range("2025-01-01", periods=96, freq="h", tz="Australia/Melbourne")
    return pd.DataFrame({"local_start": start, "profit": profit_per_interval})


def test_profit_adds_up_over_local_days_in_thousands() -> None:
    assert daily(frame(10.0)).tolist() == pytest.approx([0.24, 0.48, 0.72, 0.96])


def test_close_labels_are_moved_apart_and_others_stay() -> None:
    assert spread([5.0, 1.0, 1.1, 9.0], 1.0) == [5.0, 1.0, 2.0, 9.0]


def test_each_line_is_labelled_with_its_share_of_the_optimum() -> None:
    baselines = {"perfect_foresight": frame(10.0)} | {name: frame(2.0) for name in BASELINES}
    with mpl.rc_context():
        axes = Figure().subplots()
        draw(axes, {"bid curves": frame(7.0), "ppo": frame(6.0)}, baselines, "AUD")
    labels = [text.get_text().strip() for text in axes.texts]
    assert labels == [
        *("perfect foresight 100%", "bid curves 70%", "ppo 60%"),
        *(f"{name} 20%" for name in BASELINES.values()),
    ]
