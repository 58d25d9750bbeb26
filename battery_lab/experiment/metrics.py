"""What a policy is worth: its own figures, beside the baselines and the optimum."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property

import pandas as pd

from battery_lab.envs.base import Actor, Evaluation, World

CAPTURE, LIFT = "capture", "lift_over_rule"


def share(value: float, whole: float) -> float:
    """Return value / whole, and not a number where there is nothing to have a share of."""
    return value / whole if whole > 0 else float("nan")


def with_shares(world: World, judged: Mapping[str, Evaluation]) -> dict[str, dict[str, float]]:
    """Add capture and lift to the metrics of policies that were judged over the same period.

    Capture is the policy's score over the optimum's; lift is its score over the rule's, less one.

    Args:
        world: names the score, the optimum and the rule.
        judged: policies by name, the optimum and the rule among them.
    """
    best = judged[world.optimum].metrics[world.score]
    rule = judged[world.rule].metrics[world.score]
    shares = {}
    for name, judgement in judged.items():
        score = judgement.metrics[world.score]
        shares[name] = {**judgement.metrics, CAPTURE: share(score, best), LIFT: share(score, rule) - 1}
    return shares


class Validation:
    """Judges policies on validation time, beside baselines that are worked out once."""

    def __init__(self, world: World) -> None:
        """Remember the world; nothing is worked out before the first policy comes."""
        self._world = world

    def __call__(self, policy: Actor) -> tuple[float, dict[str, float]]:
        """Return a policy's score, and its metrics as ``validation/...``."""
        judged = self._world.evaluate(policy, "validation")
        shares = with_shares(self._world, {"policy": judged} | self._baselines)["policy"]
        return judged.metrics[self._world.score], {f"validation/{key}": value for key, value in shares.items()}

    @cached_property
    def _baselines(self) -> dict[str, Evaluation]:
        return self._world.baselines("validation")


def flat_metrics(shares: Mapping[str, Mapping[str, float]], policy: str) -> dict[str, float]:
    """Return the metrics of a run folder: ``test/...`` of the policy, ``baseline/<name>/...`` of the others."""
    flat = {f"test/{key}": value for key, value in shares[policy].items()}
    for name, metrics in shares.items():
        if name != policy:
            kept = {key: value for key, value in metrics.items() if key != LIFT}
            flat |= {f"baseline/{name}/{key}": value for key, value in kept.items()}
    return flat


def table(shares: Mapping[str, Mapping[str, float]], score: str) -> pd.DataFrame:
    """Return one row a policy, the best by its score first."""
    frame = pd.DataFrame.from_dict(dict(shares), orient="index").rename_axis("policy")
    return frame.sort_values(score, ascending=False)
