"""Training plots: learning curve, reward terms, losses and speed, from the lines of ``curves.jsonl``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from battery_lab.common.capture_and_lift_names import CAPTURE, LIFT
from battery_lab.envs.interfaces import Panel
from battery_lab.report.plot_style import BLUE, GREEN, GREY, ORANGE, SEQUENCE, legend_above, number_axis

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from battery_lab.envs.interfaces import Metric, World

STEPS = "env_steps"
VALIDATION_CAPTURE, VALIDATION_LIFT = f"validation/{CAPTURE}", f"validation/{LIFT}"
SPEED = "train/env_steps_per_second"
# A line has fewer pixels: more points only make the page larger.
MAX_POINTS = 600
Line = tuple[NDArray[np.float64], NDArray[np.float64]]


def training_panels(curves: pd.DataFrame, world: World) -> list[Panel]:
    """Return the plots for which there are lines.

    Args:
        curves: one row per line; columns may be missing, and values may be NaN.
        world: declares the score, the optimum and the rule.
    """
    panels = []
    shown = [name for name in (*_scores(world), VALIDATION_CAPTURE) if len(line(curves, name)[0])]
    if shown:
        panels.append(_learning(curves, world, both=VALIDATION_CAPTURE in shown and len(shown) > 1))
    terms = _group(curves, "reward_terms/")
    if terms:
        panels.append(_reward_terms(curves, terms, _score(world).unit))
    losses = _group(curves, "learner/")
    if losses:
        panels.append(_losses(curves, losses))
    if len(line(curves, SPEED)[0]):
        panels.append(_speed(curves))
    return panels


def _score(world: World) -> Metric:
    return next(metric for metric in world.metrics if metric.name == world.score)


def _scores(world: World) -> tuple[str, str]:
    return f"train/{world.score}", f"validation/{world.score}"


def line(curves: pd.DataFrame, name: str) -> Line:
    """Return the steps and values of a curve where both are numbers; empty if there is no such curve."""
    if STEPS not in curves.columns or name not in curves.columns:
        return np.empty(0), np.empty(0)
    steps = _numbers(curves[STEPS])
    values = _numbers(curves[name])
    known = np.isfinite(steps) & np.isfinite(values)
    order = np.argsort(steps[known], kind="stable")
    return steps[known][order], values[known][order]


def smooth(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the centred rolling mean over about a twentieth of the curve. Curves below 20 points stay unchanged."""
    window = len(values) // 20
    mean = pd.Series(values).rolling(2 * window + 1, center=True, min_periods=1).mean()
    return np.asarray(mean, np.float64)


def thin(steps: NDArray[np.float64], values: NDArray[np.float64]) -> Line:
    """Return at most ``MAX_POINTS`` points, including the first and the last one."""
    if len(steps) <= MAX_POINTS:
        return steps, values
    kept = np.linspace(0, len(steps) - 1, MAX_POINTS).round().astype(np.int64)
    return steps[kept], values[kept]


def _numbers(column: pd.Series[Any]) -> NDArray[np.float64]:
    return np.asarray(pd.to_numeric(column, errors="coerce"), np.float64)


def _group(curves: pd.DataFrame, prefix: str) -> list[str]:
    names = [str(name) for name in curves.columns if str(name).startswith(prefix)]
    return [name for name in names if len(line(curves, name)[0])]


def _learning(curves: pd.DataFrame, world: World, both: bool) -> Panel:
    score, (train, validation) = _score(world), _scores(world)

    def draw(figure: Figure) -> None:
        rows = figure.subplots(2 if both else 1, sharex=True, squeeze=False).ravel()
        if len(line(curves, train)[0]) or len(line(curves, validation)[0]):
            _draw_score(rows[0], line(curves, train), line(curves, validation))
            rows[0].set_ylabel(", ".join(word for word in (score.label, score.unit) if word))
        if len(line(curves, VALIDATION_CAPTURE)[0]):
            _draw_capture(rows[-1], curves, world)
        _steps_axis(rows[-1])

    return Panel(
        title=f"Learning: {score.label}",
        caption="The score in training is the mean over all environments since the previous line, with exploration; "
        "the thick line is its running mean. Validation runs the policy without exploration on later time, so the two "
        "scores cover different data. Capture is the share of the optimum's score in the validation period. The line "
        "of the rule is its capture in the same period.",
        draw=draw,
        size=(9.5, 5.6 if both else 3.4),
    )


def _draw_score(axes: Axes, train: Line, validation: Line) -> None:
    steps, values = train
    if len(steps):
        axes.plot(*thin(steps, values), color=BLUE, alpha=0.35, linewidth=0.8)
        axes.plot(*thin(steps, smooth(values)), color=BLUE, linewidth=2.2, label="training period, running mean")
        # The first values of an untrained policy can be so low that they flatten the rest of the curve.
        low, high = np.quantile(smooth(values), [0, 1])
        room = max(high - low, 1e-9) * 0.4
        if len(steps) > 20:
            axes.set_ylim(max(low - room, values.min() - room / 8), min(high + room, values.max() + room / 8))
    steps, values = validation
    if len(steps):
        axes.plot(steps, values, color=ORANGE, marker="o", markersize=4, label="validation period")
        low, high = axes.get_ylim()
        axes.set_ylim(min(low, values.min()), max(high, values.max() * 1.02))
    number_axis(axes.yaxis)
    legend_above(axes, 2)


def _draw_capture(axes: Axes, curves: pd.DataFrame, world: World) -> None:
    optimum, rule = (name.replace("_", " ") for name in (world.optimum, world.rule))
    steps, capture = line(curves, VALIDATION_CAPTURE)
    axes.plot(steps, capture, color=ORANGE, marker="o", markersize=4, label="policy")
    best = int(np.argmax(capture))
    axes.plot(steps[best], capture[best], color=GREEN, marker="*", markersize=13, linestyle="none", label="best policy")
    axes.axhline(1.0, color=GREY, linestyle="--", linewidth=1.2, label=optimum)
    same, lift = line(curves, VALIDATION_LIFT)
    if len(same) and np.array_equal(same, steps) and (lift > -1).all():
        # Both are shares of the same optimum, so their ratio gives the rule's.
        axes.axhline(float(np.median(capture / (1 + lift))), color=GREY, linestyle=":", linewidth=1.6, label=rule)
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
        axes.set_ylabel(f"{unit.partition('/')[0]} per step".strip())
        number_axis(axes.yaxis)
        _steps_axis(axes)
        legend_above(axes, 4)

    return Panel(
        title="Reward, term by term",
        caption="Mean of each weighted reward term per step in training, before scaling. Their sum is the reward that "
        "the algorithm maximises, up to that scale.",
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
        title="Learner metrics",
        caption="Losses and related metrics, each on its own scale and without a unit.",
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
        axes.set_ylabel("env steps per second")
        number_axis(axes.yaxis)
        _steps_axis(axes)

    return Panel(
        title="Training speed",
        caption="Environment steps per second, sampling and learning combined, without validation.",
        draw=draw,
        size=(9.5, 2.4),
    )


def _steps_axis(axes: Axes, ticks: int = 8) -> None:
    axes.set_xlabel("environment steps")
    axes.locator_params(axis="x", nbins=ticks)
    number_axis(axes.xaxis)
