"""Metrics of policies: capture of the optimum and lift over the rule, flat names, and the table of policies."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property

import pandas as pd

from battery_lab.common.capture_and_lift_names import CAPTURE, LIFT
from battery_lab.envs.baseline_interface import BaselinePeriod
from battery_lab.envs.interfaces import Actor, Evaluation, World


def ratio(value: float, whole: float) -> float:
    """Return value / whole; NaN if whole is not positive."""
    return value / whole if whole > 0 else float("nan")


def with_shares(world: World | BaselinePeriod, evaluations: Mapping[str, Evaluation]) -> dict[str, dict[str, float]]:
    """Add capture and lift to the metrics of policies that were evaluated over the same period.

    Capture is score / score of the optimum. Lift is score / score of the rule - 1.

    Args:
        world: names the score, the optimum and the rule.
        evaluations: evaluations by policy name, including the optimum and the rule.
    """
    best = evaluations[world.optimum].metrics[world.score]
    rule = evaluations[world.rule].metrics[world.score]
    shares = {}
    for name, evaluation in evaluations.items():
        score = evaluation.metrics[world.score]
        shares[name] = {**evaluation.metrics, CAPTURE: ratio(score, best), LIFT: ratio(score, rule) - 1}
    return shares


class Validation:
    """Evaluates policies on the validation period. The baselines are evaluated once."""

    def __init__(self, world: World) -> None:
        """Store the world; the baselines are evaluated with the first policy."""
        self._world = world

    def __call__(self, policy: Actor) -> tuple[float, dict[str, float]]:
        """Return the score of a policy, and its metrics as ``validation/<name>``."""
        evaluation = self._world.evaluate(policy, "validation")
        shares = with_shares(self._world, {"policy": evaluation} | self._baselines)["policy"]
        return evaluation.metrics[self._world.score], {f"validation/{key}": value for key, value in shares.items()}

    @cached_property
    def _baselines(self) -> dict[str, Evaluation]:
        return self._world.baselines("validation")


def flat_metrics(shares: Mapping[str, Mapping[str, float]], policy: str) -> dict[str, float]:
    """Return flat metrics: ``test/<metric>`` for the policy, ``baseline/<name>/<metric>`` for the others."""
    flat = {f"test/{key}": value for key, value in shares[policy].items()}
    for name, metrics in shares.items():
        if name != policy:
            kept = {key: value for key, value in metrics.items() if key != LIFT}
            flat |= {f"baseline/{name}/{key}": value for key, value in kept.items()}
    return flat


def table(shares: Mapping[str, Mapping[str, float]], score: str) -> pd.DataFrame:
    """Return one row per policy, the best score first."""
    frame = pd.DataFrame.from_dict(dict(shares), orient="index").rename_axis("policy")
    return frame.sort_values(score, ascending=False)
