"""Picture for the README: the cumulative profit of two runs and of the baselines over the same test period.

python benchmarks/profit_picture.py docs/images/profit.png "bid curves=outputs/runs/<run>" ppo=outputs/runs/<run>
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from battery_lab.cli.build_experiment import build_experiment
from battery_lab.common.run_folder import RunFolder
from battery_lab.config.stored_trial import trial
from battery_lab.envs.world_cache import WorldSource
from battery_lab.experiment.experiment import choose_actions
from battery_lab.report.plot_style import BLUE, GREY, ORANGE, PURPLE, RC, RED, SKY, number_axis

WIDTHS, COLOURS = (2.6, 1.8), (BLUE, ORANGE, RED, PURPLE, SKY)
BASELINES = {"stochastic_dp": "stochastic DP", "receding_horizon": "receding horizon", "rule": "percentile rule"}


def daily(frame: pd.DataFrame) -> pd.Series[float]:
    """Return the cumulative profit of a dispatch frame at the end of each local day, in thousands."""
    day = frame["local_start"].dt.tz_localize(None).dt.normalize()
    return frame["profit"].groupby(day.to_numpy()).sum().cumsum() / 1000


def baseline_frames(run: Path) -> tuple[Mapping[str, pd.DataFrame], str]:
    """Return the dispatch of the baselines of a run's test period by name, and the currency."""
    experiment = build_experiment(trial(run, []))
    world = WorldSource(env=experiment.env, actions=choose_actions(experiment.env, experiment.algo)).open()
    unit = next(metric.unit for metric in world.metrics if metric.name == world.score)
    return {name: one.frame for name, one in world.baselines("test").items()}, unit.partition("/")[0]


def draw(axes: Axes, runs: Mapping[str, pd.DataFrame], baselines: Mapping[str, pd.DataFrame], currency: str) -> None:
    """Draw cumulative profits, each labelled at its end with its share of perfect foresight's."""
    optimum = daily(baselines["perfect_foresight"])
    lines = [("perfect foresight", optimum, GREY, 1.4)]
    for place, (name, frame) in enumerate(runs.items()):
        lines.append((name, daily(frame), COLOURS[place], WIDTHS[min(place, 1)]))
    for place, (name, label) in enumerate(BASELINES.items(), len(runs)):
        lines.append((label, daily(baselines[name]), COLOURS[place], 1.2))
    ends = spread([float(curve.iloc[-1]) for _, curve, _, _ in lines], 0.055 * float(optimum.iloc[-1]))
    for (label, curve, colour, width), end in zip(lines, ends, strict=True):
        axes.plot(curve.index, curve, color=colour, linewidth=width)
        share = float(curve.iloc[-1] / optimum.iloc[-1])
        axes.annotate(
            f"  {label} {share:.0%}", (curve.index[-1], end), color=colour, va="center", annotation_clip=False
        )
    axes.set_ylabel(f"cumulative profit, thousand {currency}")
    axes.margins(x=0)
    number_axis(axes.yaxis)


def spread(heights: Sequence[float], gap: float) -> list[float]:
    """Return label heights in the order given, moved so that none is closer to the next than ``gap``."""
    order = np.argsort(heights)
    moved = np.array(heights, np.float64)
    for below, above in zip(order[:-1], order[1:], strict=True):
        moved[above] = max(moved[above], moved[below] + gap)
    return [float(height) for height in moved]


def main(path: Path, named: Sequence[str]) -> None:
    """Save the picture of ``name=run folder`` arguments."""
    folders = {name: Path(folder) for name, _, folder in (argument.partition("=") for argument in named)}
    frames = {name: pd.read_parquet(RunFolder(folder).dispatch) for name, folder in folders.items()}
    baselines, currency = baseline_frames(next(iter(folders.values())))
    # White, because a README may have any background.
    with matplotlib.rc_context(RC | {"savefig.facecolor": "white"}):
        figure = Figure(figsize=(10.0, 4.6), layout="constrained")
        draw(figure.subplots(), frames, baselines, currency)
        figure.savefig(path, dpi=110)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
