"""Selection of the policy: by its validation, with one evaluation on the test period."""

from __future__ import annotations

import json

import pytest
import torch

from battery_lab.algos.rllib_algorithm_adapter import RLlibLearner
from battery_lab.envs.battery.environment import BatteryWorld
from battery_lab.experiment import final_evaluation
from battery_lab.experiment.policy_metrics import Validation
from tests.experiment.small_runs import run

pytestmark = pytest.mark.usefixtures("no_report")


@pytest.mark.parametrize(("kept", "env_steps"), [("best", 1024), ("last", 2048)])
def test_the_best_or_the_last_validated_policy_is_evaluated(tmp_path, monkeypatch, kept, env_steps):
    evaluated = []
    original = final_evaluation.evaluate_test

    def evaluate_test(world, policy, name):
        evaluated.append(policy.env_steps)
        return original(world, policy, name)

    scores = iter([1.0, 9.0, 2.0, 3.0])
    monkeypatch.setattr(final_evaluation, "evaluate_test", evaluate_test)
    monkeypatch.setattr(Validation, "__call__", lambda self, policy: (next(scores), {"validation/capture": 0.1}))
    metrics = run(tmp_path / "run", "ppo", "train.validate_every=512", f"train.keep_policy={kept}")
    assert len(evaluated) == 1
    assert env_steps <= evaluated[0] == metrics["validation/env_steps"] < env_steps + 64


def test_policies_are_chosen_on_validation_and_test_time_is_used_once(tmp_path, monkeypatch):
    periods, original, baselines, copy = [], BatteryWorld.evaluate, BatteryWorld.baselines, RLlibLearner.policy

    def evaluate_period(self, actor, period):
        # The use of the test period is recorded before the evaluation.
        assert (tmp_path / "run" / "test_looks.jsonl").exists() == (period == "test")
        periods.append(period)
        return original(self, actor, period)

    def as_trained(self, env_steps):
        policy = copy(self, env_steps)
        encoder, head, _ = self._actor(self.algorithm.env_runner.module)
        for part, trained in ((policy.network.encoder, encoder), (policy.network.head, head)):
            assert all(torch.equal(part.state_dict()[key], value) for key, value in trained.state_dict().items())
        return policy

    monkeypatch.setattr(BatteryWorld, "evaluate", evaluate_period)
    monkeypatch.setattr(
        BatteryWorld, "baselines", lambda self, period: periods.append(period) or baselines(self, period)
    )
    monkeypatch.setattr(RLlibLearner, "policy", as_trained)
    metrics = run(tmp_path / "run", "ppo")
    # Two evaluations and the baselines on validation, then the policy and the baselines on test.
    assert periods == ["validation"] * 3 + ["test"] * 2
    last = json.loads((tmp_path / "run" / "curves.jsonl").read_text().splitlines()[-1])
    assert last["test/capture"] == metrics["test/capture"]
