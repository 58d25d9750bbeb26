"""Time to capture: seconds of training until a policy captures a share of the optimum in the validation period.

python -m benchmarks.time_to_capture '{"overrides": ["algo=ppo"], "outputs": "/tmp/somewhere"}'

prints seconds and validation captures of one training as JSON on its last line. `make bench BENCH="--part capture"`
runs all recipes.
"""

from __future__ import annotations

import json
import math
import os
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks import markdown_tables
from benchmarks.clock_and_rates import spread
from benchmarks.command_times import run_python

TARGETS = (0.45, 0.5, 0.55, 0.6)
VALIDATIONS = 12  # per training
# The settings of experiment=algo_study, chosen on an earlier cut (docs/flagship-study.md).
RECIPES: dict[str, Sequence[str]] = {
    "bid curves": ("experiment=flagship",),
    "PPO": ("experiment=flagship", "algo=ppo", "reward=regret", "train.env_steps=5000000"),
    "SAC": ("experiment=flagship", "algo=sac", "reward=regret", "train.env_steps=1000000"),
    "DQN": ("experiment=flagship", "algo=dqn", "reward=regret", "train.env_steps=500000"),
}

# Seconds of training and validation capture, once per validation.
Curve = list[tuple[float, float]]


def measure(repeats: int) -> dict[str, dict[str, dict[str, float]]]:
    """Return the spread of the seconds to each target, and of the last capture, by recipe.

    Every repetition has another trial seed, and runs all recipes before the next one begins. Seconds are those of
    training, compilation included, without start and validation. A target that was not reached counts as infinite.
    """
    measured: dict[str, dict[str, list[float]]] = {recipe: {} for recipe in RECIPES}
    with tempfile.TemporaryDirectory() as outputs:
        for seed in range(repeats):
            for recipe, overrides in RECIPES.items():
                task = {"overrides": [*overrides, f"seed={seed}"], "outputs": outputs}
                output = run_python("-m", "benchmarks.time_to_capture", json.dumps(task), timeout_s=3600)
                curve = [(float(seconds), float(capture)) for seconds, capture in json.loads(output.splitlines()[-1])]
                for name, value in figures(curve).items():
                    measured[recipe].setdefault(name, []).append(value)
    return {recipe: {name: spread(values) for name, values in by.items()} for recipe, by in measured.items()}


def figures(curve: Curve) -> dict[str, float]:
    """Return the seconds to each target, and the last capture with its seconds."""
    reached = {
        f"{target:g}": next((seconds for seconds, capture in curve if capture >= target), math.inf)
        for target in TARGETS
    }
    return reached | {"capture at the end": curve[-1][1], "seconds at the end": curve[-1][0]}


def table(measured: Mapping[str, Mapping[str, Mapping[str, float]]]) -> str:
    """Return the medians as a Markdown table; a target that most trainings missed is a dash."""
    names = [*(f"{target:g}" for target in TARGETS), "capture at the end", "seconds at the end"]
    rows = [[recipe, *(_text(by[name]["median"], name) for name in names)] for recipe, by in measured.items()]
    heads = [*(f"{target:g}, s" for target in TARGETS), "capture at the end", "trained for, s"]
    return "\n" + markdown_tables.markdown(("validation capture", *heads), rows)


def _text(median: float, name: str) -> str:
    if not math.isfinite(median):
        return "-"
    return f"{median:.3f}" if name.startswith("capture") else f"{median:.0f}"


def train(overrides: Sequence[str], outputs: str) -> Curve:
    """Train one recipe, and validate it some times on the way."""
    # Imports are not part of the training.
    import torch

    from battery_lab.cli.build_experiment import build_experiment
    from battery_lab.config.compose import compose
    from battery_lab.envs.world_cache import WorldSource
    from battery_lab.experiment.experiment import choose_actions
    from battery_lab.experiment.policy_metrics import Validation

    experiment = build_experiment(compose([*overrides, "tracking=none", f"outputs={outputs}"]))
    torch.set_num_threads(experiment.train.threads)
    source = WorldSource(env=experiment.env, actions=choose_actions(experiment.env, experiment.algo))
    validation, learner = Validation(source.open()), experiment.build_learner(source)
    budget, curve, seconds, steps = experiment.train.env_steps, list[tuple[float, float]](), 0.0, 0
    while steps < budget:
        due = budget * (len(curve) + 1) / VALIDATIONS
        start = time.perf_counter()
        while steps < min(due, budget):
            steps = learner.train().env_steps
        seconds += time.perf_counter() - start
        _, metrics = validation(learner.policy(steps))
        curve.append((seconds, metrics["validation/capture"]))
    learner.stop()
    return curve


def main(task: Mapping[str, Any]) -> None:
    """Train, and print the curve as JSON."""
    print(json.dumps(train(task["overrides"], task["outputs"])), flush=True)


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
    # Skips the shutdown of Ray and torch, which takes seconds.
    os._exit(0)
