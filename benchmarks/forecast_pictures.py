"""Pictures of the synthetic market's vintages for docs/market.md: a day of runs, errors by lead, and the ladder.

    python -m benchmarks.forecast_pictures docs/images --ladder ladder.json

ladder.json is what ``python -m benchmarks.look_ahead_ladder --json ladder.json`` wrote; without it, no ladder is drawn.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from battery_lab.market.forecasts.forecast_vintages import ForecastVintages
from battery_lab.market.market_series import MarketSeries
from battery_lab.report.plot_style import BLUE, GREY, ORANGE, RC, RED
from benchmarks.look_ahead_ladder import LOOK_AHEADS, PERFECT, STUDY
from benchmarks.look_ahead_plans import COLUMNS
from benchmarks.market_fit import option

MINUTE = np.timedelta64(60, "s")
QUANTILES = (0.5, 0.9)
DAY = 288
TICKS = (-1000, -100, 0, 100, 1000, 10_000)


def spiky_day(series: MarketSeries) -> int:
    """Return the first row of the day in the first year whose 99th highest five minutes are the highest."""
    days = series.price[: 365 * DAY].reshape(-1, DAY)
    return int(np.argmax(np.sort(np.clip(days, None, 2000), axis=1)[:, -12])) * DAY


def draw_day(axes: Axes, series: MarketSeries, first: int) -> None:
    """Draw the prices of a day, with the predispatch runs of every third hour and the P5MIN runs of every hour."""
    rows = slice(first, first + DAY)
    hours = np.arange(DAY) / 12
    for every, name, colour, width in ((36, "predispatch", ORANGE, 1.3), (12, "p5min", BLUE, 1.3)):
        for row in range(first, first + DAY, every):
            vintage = series.forecasts[name].as_of(series.start[row])
            assert vintage is not None
            at = (vintage.start - series.start[first]) / (60 * MINUTE)
            label = name if row == first else None
            axes.step(at, vintage.values, where="post", color=colour, linewidth=width, alpha=0.7, label=label)
    axes.step(hours, series.price[rows], where="post", color="black", linewidth=1.0, label="price")
    axes.set_yscale("symlog", linthresh=100)
    axes.set(xlim=(0, 24), ylim=(-300, 17_500), xlabel="hour", ylabel="AUD per MWh")
    axes.set_yticks(TICKS, [f"{price:,}" for price in TICKS])
    axes.minorticks_off()
    axes.legend(loc="upper left")


def errors_by_lead(series: MarketSeries, vintages: ForecastVintages) -> tuple[NDArray[np.float64], ...]:
    """Return (L,) hours from a row to the interval, and (L,) quantiles of the error of the newest run, by quantile."""
    size = round(vintages.step_h / series.interval_h)
    actual = series.price[: len(series) // size * size].reshape(-1, size).mean(axis=1)
    found: dict[int, list[float]] = {}
    for row in range(DAY, len(series) - 2 * DAY, 7 * size):
        vintage = vintages.as_of(series.start[row])
        assert vintage is not None
        place = int((vintage.start[0] - series.start[0]) / np.timedelta64(round(vintages.step_h * 3600), "s"))
        for k, value in enumerate(vintage.values[: 2 * 24]):
            found.setdefault(k, []).append(abs(float(value) - actual[place + k]))
    leads = np.array(sorted(found)) * vintages.step_h
    return leads, *(np.array([np.quantile(found[k], q) for k in sorted(found)]) for q in QUANTILES)


def draw_errors(axes: Axes, series: MarketSeries) -> None:
    """Draw the median and the 90 % quantile of the errors of both products by lead."""
    for name, colour in (("predispatch", ORANGE), ("p5min", BLUE)):
        leads, *errors = errors_by_lead(series, series.forecasts[name])
        for quantile, error, style in zip(QUANTILES, errors, ("-", "--"), strict=True):
            axes.plot(leads, error, style, color=colour, label=f"{name}, quantile {100 * quantile:g} %")
    axes.set(xlabel="hours from the begin of the run to the interval", ylabel="error, AUD per MWh", ylim=(0, None))
    axes.legend()


def draw_ladder(axes: Axes, ladder: dict[str, list[float]], minutes: list[int], hours: int) -> None:
    """Draw shares of perfect foresight by look-ahead, beside the study's, which are dashed."""
    colours = dict(zip((PERFECT, *COLUMNS), (GREY, BLUE, ORANGE, RED), strict=True))
    for row, shares in ladder.items():
        axes.plot(minutes, shares, "o-", color=colours[row], markersize=3, label=row)
    for row, values in STUDY[hours].items():
        axes.plot(LOOK_AHEADS, values, "--", color=colours[row], linewidth=1.0)
    axes.set(title=f"{hours}-hour battery", xlabel="minutes of look-ahead", xscale="log", ylim=(0, 1.02))
    axes.set_xticks(minutes, [str(ahead) for ahead in minutes])
    axes.minorticks_off()


def main() -> None:
    """Save the pictures."""
    assert __doc__ is not None
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="folder of the pictures")
    parser.add_argument("--seed", type=int, default=5, help="market seed")
    parser.add_argument("--ladder", type=Path, help="file of the ladder")
    given = parser.parse_args()
    series = option("market", "synthetic", seed=given.seed, years=2, vintages=True).load()
    with matplotlib.rc_context(RC | {"savefig.facecolor": "white"}):
        figure = Figure(figsize=(10, 4.2), layout="constrained")
        draw_day(figure.subplots(), series, spiky_day(series))
        figure.savefig(given.folder / "vintages_day.png", dpi=80)
        figure = Figure(figsize=(10, 3.4), layout="constrained")
        draw_errors(figure.subplots(), series)
        figure.savefig(given.folder / "vintages_errors.png", dpi=80)
        if given.ladder:
            stored = json.loads(given.ladder.read_text())
            figure = Figure(figsize=(10, 4.0), layout="constrained")
            for axes, (hours, ladder) in zip(figure.subplots(1, 2, sharey=True), stored["hours"].items(), strict=True):
                draw_ladder(axes, ladder, stored["minutes"], int(hours))
            figure.axes[0].legend(loc="lower right")
            figure.axes[0].set_ylabel("share of perfect foresight (dashed: study)")
            figure.savefig(given.folder / "vintages_ladder.png", dpi=80)


if __name__ == "__main__":
    main()
