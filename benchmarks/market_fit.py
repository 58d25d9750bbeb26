"""Fit of the synthetic market: statistics beside those of a real market, as in the table of docs/market.md.

python benchmarks/market_fit.py --aemo PATH [--seeds 0 1 2 3 4] [--pictures docs/images]

PATH is a file, folder or glob of AEMO's PRICE_AND_DEMAND files. Without it, only the synthetic columns are printed and
no picture is drawn. The lab's baselines are evaluated on the last 365 days of each market, and fitted on the time
before the 120 days of the validation period.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from hydra.utils import instantiate
from matplotlib import pyplot as plt
from omegaconf import OmegaConf

from battery_lab.envs.battery.dispatch_problem import DispatchProblem
from battery_lab.envs.battery.dispatch_result import Dispatch
from battery_lab.market.market_series import MarketSeries

CONF = Path(__file__).parents[1] / "conf"
TEST_DAYS, VALIDATION_DAYS = 365, 120
QUANTILES = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99, 0.999)
LAGS = {"5 min": 1, "1 h": 12, "6 h": 72, "1 day": 288, "1 week": 2016}
BASELINES = {"rule": "percentile rule", "stochastic_dp": "stochastic DP", "receding_horizon": "receding horizon"}


def option(group: str, name: str, **changes: Any) -> Any:
    """Build an option of conf/ with some values changed."""
    return instantiate(OmegaConf.merge(OmegaConf.load(CONF / group / f"{name}.yaml"), changes), _convert_="all")


def asinh(price: np.ndarray) -> np.ndarray:
    """Return squashed prices, which spikes do not dominate."""
    return np.asarray(np.arcsinh(price / 50))


def hourly(values: np.ndarray, per_hour: int) -> np.ndarray:
    """Return hourly means."""
    return np.asarray(values[: len(values) // per_hour * per_hour].reshape(-1, per_hour).mean(1))


def correlation(values: np.ndarray, lag: int) -> float:
    """Return the autocorrelation at a lag."""
    return float(np.corrcoef(values[:-lag], values[lag:])[0, 1])


def runs(mask: np.ndarray) -> np.ndarray:
    """Return the lengths of consecutive runs of True."""
    edges = np.flatnonzero(np.diff(np.r_[0, mask.astype(int), 0]))
    return np.asarray(edges[1::2] - edges[::2])


def distribution(series: MarketSeries) -> dict[str, float]:
    """Return statistics of prices that do not depend on their order."""
    price = series.price
    facts = {"mean": price.mean(), "standard deviation": price.std(), "minimum": price.min(), "maximum": price.max()}
    facts |= {f"quantile {100 * q:g} %": np.quantile(price, q) for q in QUANTILES}
    return facts | {"share negative": (price < 0).mean(), "share above 300": (price > 300).mean()}


def dynamics(series: MarketSeries) -> dict[str, float]:
    """Return statistics of the sequence of prices."""
    price, squashed = series.price, asinh(series.price)
    facts = {f"autocorrelation, {name}": correlation(price, lag) for name, lag in LAGS.items()}
    facts |= {f"autocorrelation of asinh, {name}": correlation(squashed, lag) for name, lag in LAGS.items()}
    days = price[: len(price) // 288 * 288].reshape(-1, 288)
    by_hour = days.reshape(len(days), 24, 12).mean(2)
    for least in (300, 1000):
        facts[f"days with a price above {least}"] = (days > least).any(1).mean()
        facts[f"mean run above {least}, intervals"] = runs(price > least).mean()
    facts["days with a negative price"] = (days < 0).any(1).mean()
    facts["mean run below 0, intervals"] = runs(price < 0).mean()
    spread = by_hour.max(1) - by_hour.min(1)
    return facts | {"daily spread of hours, mean": spread.mean(), "daily spread of hours, median": np.median(spread)}


def profiles(series: MarketSeries) -> dict[str, float]:
    """Return statistics by hour of the day, weekday, season and year."""
    frame = pd.DataFrame({"price": series.price, "negative": series.price < 0})
    local = series.local_start.tz_convert("Etc/GMT-10")
    facts = {}
    for hour in (3, 8, 12, 18, 22):
        rows = frame[local.hour == hour]
        facts[f"mean at {hour}:00"] = rows.price.mean()
        facts[f"share negative at {hour}:00"] = rows.negative.mean()
    facts["mean on weekdays"] = frame.price[local.day_of_week < 5].mean()
    facts["mean at weekends"] = frame.price[local.day_of_week >= 5].mean()
    facts["mean, June to August"] = frame.price[local.month.isin((6, 7, 8))].mean()
    facts["mean, December to February"] = frame.price[local.month.isin((12, 1, 2))].mean()
    for number, year in enumerate(local.year.unique()[:4]):
        facts[f"mean of year {number + 1}"] = frame.price[local.year == year].mean()
        facts[f"share negative in year {number + 1}"] = frame.negative[local.year == year].mean()
    return facts


def predictability(series: MarketSeries) -> dict[str, float]:
    """Return R2 on the test period of a ridge regression of asinh(price / 50) on lags, past days and the clock."""
    x, end = asinh(series.price), len(series)
    means = {w: pd.Series(x).rolling(w).mean().to_numpy() for w in (12, 288, 2016)}
    train_end, test = end - (TEST_DAYS + VALIDATION_DAYS) * 288, end - TEST_DAYS * 288
    facts = {}
    for name, ahead in (("1 h", 12), ("6 h", 72)):
        t = np.arange(2100, end - ahead, 6)
        columns = [x[t - lag] for lag in (0, 1, 2, 5, 11, 23, 47, 95, 143, 191, 239)]
        columns += [means[12][t + ahead - 288 * day + 6] for day in range(1, 8)]
        columns += [means[288][t], means[2016][t]]
        angle = 2 * np.pi * series.hour[t + ahead] / 24
        columns += [wave(k * angle) for k in (1, 2, 3, 4) for wave in (np.sin, np.cos)]
        features, target = np.stack(columns, 1), x[t + ahead]
        fit, test_rows = t + ahead < train_end, t >= test
        middle, scale = features[fit].mean(0), features[fit].std(0)
        features = np.c_[(features - middle) / scale, np.ones(len(t))]
        square = features[fit].T @ features[fit] + 10 * np.eye(features.shape[1])
        weights = np.linalg.solve(square, features[fit].T @ target[fit])
        error = target[test_rows] - features[test_rows] @ weights
        facts[f"R2 {name} ahead"] = 1 - float((error**2).mean() / target[test_rows].var())
    return facts


def foresight(series: MarketSeries) -> dict[str, float]:
    """Return rank correlations of hourly prices with the day before and with the forecast."""
    price = pd.Series(hourly(series.price, 12))
    facts = {"rank correlation with the day before": price.corr(price.shift(24), method="spearman")}
    forecast = pd.Series(hourly(series.columns.get("price_forecast", np.full(len(series), np.nan)), 12))
    facts["rank correlation with the forecast"] = price.corr(forecast, method="spearman")
    return facts | {"mean of the forecast": forecast.mean()}


def shares(series: MarketSeries) -> dict[str, float]:
    """Return the profits of the baselines on the test period, as fractions of perfect foresight."""
    first = len(series) - TEST_DAYS * 288
    facts = {}
    for wear in (0.0, 10.0):
        problem = DispatchProblem(
            series=series,
            battery=replace(option("battery", "default"), wear_per_mwh=wear),
            first=first,
            end=len(series),
            train_end=first - VALIDATION_DAYS * 288,
            price_lag=0,
        )
        best = _profit(problem, "perfect_foresight")
        facts[f"profit of perfect foresight per day, wear {wear:g}"] = best
        facts |= {f"{title}, wear {wear:g}": _profit(problem, name) / best for name, title in BASELINES.items()}
    return facts


def _profit(problem: DispatchProblem, name: str) -> float:
    return Dispatch.replay(problem, option("baseline", name).requests(problem)).metrics()["profit_per_day"]


def facts_of(series: MarketSeries) -> dict[str, float]:
    """Return all statistics of a market."""
    parts = (distribution, dynamics, profiles, predictability, foresight, shares)
    return {name: float(value) for part in parts for name, value in part(series).items()}


def show(values: pd.Series) -> list[str]:
    """Format the numbers of a row with the same decimals: about three significant digits of the largest."""
    largest = values.abs().max()
    decimals = 0 if largest >= 1000 else 1 if largest >= 5 else 3
    return ["-" if np.isnan(value) else f"{value:,.{decimals}f}" for value in values]


def picture(path: Path, real: MarketSeries, synthetic: MarketSeries, start: str) -> None:
    """Plot two weeks of both markets."""
    figure, axes = plt.subplots(2, 1, figsize=(10, 4.4), sharex=True, sharey=True)
    for axis, series in zip(axes, (real, synthetic), strict=True):
        local = series.local_start.tz_convert("Etc/GMT-10").tz_localize(None)
        inside = (local >= start) & (local < pd.Timestamp(start) + pd.Timedelta(days=14))
        axis.plot(local[inside], series.price[inside], linewidth=0.7)
        axis.set_yscale("symlog", linthresh=100)
        axis.set_title(f"{series.name}, price per MWh", fontsize=9, loc="left")
        axis.grid(alpha=0.3)
    figure.tight_layout()
    figure.savefig(path, dpi=70)
    plt.close(figure)


def main() -> None:
    """Print the table, and draw pictures if requested."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--aemo", help="file, folder or glob of PRICE_AND_DEMAND files")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4], help="market seeds")
    parser.add_argument("--pictures", type=Path, help="folder for pictures; needs --aemo")
    arguments = parser.parse_args()
    markets = [option("market", "synthetic", seed=seed).load() for seed in arguments.seeds]
    if arguments.aemo:
        markets.insert(0, option("market", "aemo", path=arguments.aemo, cache=None).load())
    if arguments.pictures and arguments.aemo:
        for start in ("2024-10-01", "2025-07-01"):
            picture(arguments.pictures / f"market_{start}.png", markets[0], markets[1], start)
    table = pd.DataFrame({series.name: facts_of(series) for series in markets})
    print("| |" + "|".join(table.columns) + "|\n|---|" + "---:|" * len(table.columns))
    for name, row in table.iterrows():
        print(f"|{name}|" + "|".join(show(row)) + "|")


if __name__ == "__main__":
    main()
