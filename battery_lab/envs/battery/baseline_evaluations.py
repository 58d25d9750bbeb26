"""Baseline evaluations: the baselines of an environment on one dispatch problem."""

from __future__ import annotations

from collections.abc import Mapping

from battery_lab.baselines import Baseline
from battery_lab.envs.battery.baseline_cache import cached_schedule
from battery_lab.envs.battery.dispatch_problem import DispatchProblem
from battery_lab.envs.battery.dispatch_result import Dispatch
from battery_lab.envs.interfaces import Evaluation


def evaluate_baselines(
    cache: str, baselines: Mapping[str, Baseline], problem: DispatchProblem
) -> dict[str, Evaluation]:
    """Evaluate baselines on a problem; their requests are computed once per market, battery and period.

    Args:
        cache: folder of the cache.
        baselines: the baselines by name.
        problem: the problem, with its throughput price.
    """
    evaluations = {}
    for name, baseline in baselines.items():
        requests, bound = cached_schedule(cache, name, baseline, problem)
        dispatch = Dispatch.replay(problem, requests, f"the baseline {name!r}")
        metrics = dispatch.metrics() | dispatch.gap_metrics(bound)
        evaluations[name] = Evaluation(metrics=metrics, frame=dispatch.frame())
    return evaluations
