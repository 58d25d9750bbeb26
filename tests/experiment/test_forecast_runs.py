"""Runs on a market with vintages: bid curves and PPO train on them with the observation set of forecasts."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.experiment.small_runs import run
from tests.small_batteries_and_series import wavy_prices

pytestmark = pytest.mark.usefixtures("no_report")
STEPS = 30


def write_forecast(folder: Path) -> str:
    """Write half-hourly forecasts of the prices of ``write_market``, and return the override that names them."""
    price = wavy_prices(24).reshape(-1, 6).mean(axis=1)
    run_start = np.repeat(np.arange(len(price) - STEPS), STEPS)
    row = run_start + np.tile(np.arange(STEPS), len(price) - STEPS)
    midnight = pd.Timestamp("2024-01-01", tz="UTC")
    frame = pd.DataFrame(
        {
            "issued": midnight + run_start * pd.Timedelta(minutes=30) - pd.Timedelta(minutes=2),
            "start": midnight + row * pd.Timedelta(minutes=30),
            "value": price[row] + np.random.default_rng(0).normal(0, 10, len(row)),
        }
    )
    folder.mkdir(exist_ok=True)
    frame.to_parquet(folder / "f.parquet")
    fields = f"path: {folder / 'f.parquet'}, issued: issued, start: start, value: value, quantity: price"
    return f"market.forecasts={{predispatch: {{{fields}}}}}"


@pytest.mark.walk
@pytest.mark.parametrize(("algo", "known"), [("bid_curves", ["env.actions=bids"]), ("ppo", [])])
def test_policies_train_on_vintages(tmp_path: Path, algo: str, known: list[str]) -> None:
    forecast = write_forecast(tmp_path / "forecasts")
    metrics = run(tmp_path / "run", algo, forecast, "observation=forecast", "reward=degradation", *known)
    assert np.isfinite(metrics["test/profit_per_day"])
    assert metrics["baseline/receding_horizon/capture"] > 0.8
