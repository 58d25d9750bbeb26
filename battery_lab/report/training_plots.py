"""Pictures of a training, from the lines of ``curves.jsonl``; they know of no environment."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from battery_lab.report.plot_style import BLUE, GREEN, GREY, ORANGE, SEQUENCE, legend_above, number_axis
from battery_lab.report.svg_panel import Panel

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

STEPS, TRAIN, VALIDATION = "env_steps", "train/profit_per_day", "validation/profit_per_day"
CAPTURE, LIFT, SPEED = "validation/capture", "validation/lift_over_rule", "train/env_steps_per_second"
# More points than a line has pixels only make the page heavy.
MOST_POINTS = 600
Line = tuple[NDArray[np.float64], NDArray[np.float64]]


def training_panels(curves: pd.DataFrame, unit: str) -> list[Panel]:
    """Return the pictures for which there are lines.

    Args:
        curves: one row a line; columns may be missing, and values may be NaN.
        unit: of profit, for instance ``AUD/day``.
    """
    found = []
    scores = [name for name in (TRAIN, VALIDATION, CAPTURE) if len(line(curves, name)[0])]
    if scores:
        found.append(_learning(curves, unit, both=CAPTURE in scores and len(scores) > 1))
    terms = _group(curves, "reward_terms/")
    if terms:
        found.append(_reward_terms(curves, terms, unit))
    losses = _group(curves, "learner/")
    if losses:
        found.append(_losses(curves, losses))
    if len(line(curves, SPEED)[0]):
        found.append(_speed(curves))
    return found


def line(curves: pd.DataFrame, name: str) -> Line:
    """Return the steps and the values of one curve where both are numbers; empty if there is no such curve."""
    if STEPS not in curves.columns or name not in curves.columns:
        return np.empty(0), np.empty(0)
    steps = _numbers(curves[STEPS])
    values = _numbers(curves[name])
    known = np.isfinite(steps) & np.isfinite(values)
    order = np.argsort(steps[known], kind="stable")
    return steps[known][order], values[known][order]


def smooth(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return a centred mean over about a twentieth of the curve; as long as the curve; a short one as it is."""
    window = len(values) // 20
    mean = pd.Series(values).rolling(2 * window + 1, center=True, min_periods=1).mean()
    return np.asarray(mean, np.float64)


def thin(steps: NDArray[np.float64], values: NDArray[np.float64]) -> Line:
    """Return at most ``MOST_POINTS`` points, the first and the last among them."""
    if len(steps) <= MOST_POINTS:
        return steps, values
    kept = np.linspace(0, len(steps) - 1, MOST_POINTS).round().astype(np.int64)
    return steps[kept], values[kept]


def _numbers(column: pd.Series[Any]) -> NDArray[np.float64]:
    return np.asarray(pd.to_numeric(column, errors="coerce"), np.float64)


def _group(curves: pd.DataFrame, prefix: str) -> list[str]:
    names = [str(name) for name in curves.columns if str(name).startswith(prefix)]
    return [name for name in names if len(line(curves, name)[0])]


def _learning(curves: pd.DataFrame, unit: str, both: bool) -> Panel:
    def draw(figure: Figure) -> None:
        rows = figure.subplots(2 if both else 1, sharex=True, squeeze=False).ravel()
        if len(line(curves, TRAIN)[0]) or len(line(curves, VALIDATION)[0]):
            _draw_money(rows[0], curves, unit)
        if len(line(curves, CAPTURE)[0]):
            _draw_capture(rows[-1], curves)
        _steps_axis(rows[-1])

    return Panel(
        title="Learning: money a simulated day",
        caption="Profit in training is the mean over all batteries since the line before, exploration included; the "
        "thick line is its running mean. Validation is the policy without exploration on later time, so that the two "
        "amounts are of different markets. Capture is the share of what perfect foresight earns in the same time; "
        "there the rule is judged on the very same days.",
        draw=draw,
        size=(9.5, 5.6 if both else 3.4),
    )


def _draw_money(axes: Axes, curves: pd.DataFrame, unit: str) -> None:
    steps, values = line(curves, TRAIN)
    if len(steps):
        axes.plot(*thin(steps, values), color=BLUE, alpha=0.35, linewidth=0.8)
        axes.plot(*thin(steps, smooth(values)), color=BLUE, linewidth=2.2, label="training time, running mean")
        # The first lines of an untrained policy can be so bad that all others lie in one row of pixels.
        low, high = np.quantile(smooth(values), [0, 1])
        room = max(high - low, 1e-9) * 0.4
        if len(steps) > 20:
            axes.set_ylim(max(low - room, values.min() - room / 8), min(high + room, values.max() + room / 8))
    steps, values = line(curves, VALIDATION)
    if len(steps):
        axes.plot(steps, values, color=ORANGE, marker="o", markersize=4, label="validation time")
        low, high = axes.get_ylim()
        axes.set_ylim(min(low, values.min()), max(high, values.max() * 1.02))
    axes.set_ylabel(f"profit, {unit}")
    number_axis(axes.yaxis)
    legend_above(axes, 2)


def _draw_capture(axes: Axes, curves: pd.DataFrame) -> None:
    steps, capture = line(curves, CAPTURE)
    axes.plot(steps, capture, color=ORANGE, marker="o", markersize=4, label="policy")
    best = int(np.argmax(capture))
    axes.plot(steps[best], capture[best], color=GREEN, marker="*", markersize=13, linestyle="none", label="kept policy")
    axes.axhline(1.0, color=GREY, linestyle="--", linewidth=1.2, label="perfect foresight")
    same, lift = line(curves, LIFT)
    if len(same) and np.array_equal(same, steps) and (lift > -1).all():
        # Both are shares of the same optimum, so that their ratio gives the rule's.
        axes.axhline(float(np.median(capture / (1 + lift))), color=GREY, linestyle=":", linewidth=1.6, label="rule")
    axes.set_ylabel("validation capture")
    axes.set_ylim(bottom=min(0.0, float(capture.min())))
    legend_above(axes, 4)


def _reward_terms(curves: pd.DataFrame, names: Sequence[str], unit: str) -> Panel:
    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        for place, name in enumerate(names):
            steps, values = line(curves, name)
            colour = SEQUENCE[place % len(SEQUENCE)]
            axes.plot(*thin(steps, values), color=colour, alpha=0.3, linewidth=0.7)
            style = ("-", "--", ":")[place // len(SEQUENCE) % 3]
            label = name.removeprefix("reward_terms/").replace("_", " ").strip()
            axes.plot(*thin(steps, smooth(values)), color=colour, linestyle=style, linewidth=2, label=label)
        axes.axhline(0, color=GREY, linewidth=0.8)
        axes.set_ylabel(f"{unit.partition('/')[0]} an interval")
        number_axis(axes.yaxis)
        _steps_axis(axes)
        legend_above(axes, 4)

    return Panel(
        title="Reward, term by term",
        caption="Mean of each weighted term of the reward an interval in training, in money, before it is scaled; "
        "their sum is what the algorithm learns to raise.",
        draw=draw,
        size=(9.5, 3.6),
    )


def _losses(curves: pd.DataFrame, names: Sequence[str]) -> Panel:
    across = 2 if len(names) in (2, 4) else min(3, len(names))
    down = -(-len(names) // across)

    def draw(figure: Figure) -> None:
        cells = figure.subplots(down, across, sharex=True, squeeze=False).ravel()
        for axes, name in zip(cells, names, strict=False):
            steps, values = line(curves, name)
            axes.plot(*thin(steps, values), color=BLUE, linewidth=1.2, marker="." if len(steps) == 1 else "")
            axes.set_title(name.removeprefix("learner/").replace("_", " "))
            number_axis(axes.yaxis)
        for axes in cells[len(names) :]:
            axes.set_visible(False)
        for axes in cells[max(0, len(names) - across) : len(names)]:
            _steps_axis(axes, ticks=3)
            axes.tick_params(labelbottom=True)

    return Panel(
        title="What the learner reports",
        caption="Losses and what goes with them, each on its own scale and without a unit.",
        draw=draw,
        size=(9.5, 0.6 + 1.9 * down),
    )


def _speed(curves: pd.DataFrame) -> Panel:
    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        steps, values = line(curves, SPEED)
        axes.plot(*thin(steps, values), color=BLUE, alpha=0.35, linewidth=0.8)
        axes.plot(*thin(steps, smooth(values)), color=BLUE, linewidth=2.2)
        axes.set_ylim(bottom=0)
        axes.set_ylabel("env steps a second")
        number_axis(axes.yaxis)
        _steps_axis(axes)

    return Panel(
        title="Speed of training",
        caption="Environment steps a second of sampling and learning together, validation left out.",
        draw=draw,
        size=(9.5, 2.4),
    )


def _steps_axis(axes: Axes, ticks: int = 8) -> None:
    axes.set_xlabel("environment steps")
    axes.locator_params(axis="x", nbins=ticks)
    number_axis(axes.xaxis)
