"""State of the PPO learner: coefficients, the fallback to autograd and the number of steps."""

from __future__ import annotations

import pytest
from ray.rllib.core import DEFAULT_MODULE_ID

from battery_lab.rllib.learners.ppo_learner import ArrayPPOLearner
from battery_lab.rllib.stock_learners import CheckpointedPPOLearner
from tests.rllib.learners.ppo_learners import build_both, build_learner

pytestmark = pytest.mark.usefixtures("one_torch_thread")


def test_restored_learner_keeps_its_coefficients():
    schedule = {"entropy_coeff": [[0, 0.1], [1000, 0.0]], "kl_target": 1e-9}
    ours, stock, fragment = build_both(**schedule)
    ours.update(episodes=[fragment], minibatch_size=50, timesteps={"num_env_steps_sampled_lifetime": 500})
    for learner in (ArrayPPOLearner, CheckpointedPPOLearner):
        other, _ = build_learner(learner, **schedule)
        other.set_state(ours.get_state())
        schedule_now = other.entropy_coeff_schedulers_per_module[DEFAULT_MODULE_ID]
        assert float(schedule_now.get_current_value()) == pytest.approx(0.05)
        assert float(other.curr_kl_coeffs_per_module[DEFAULT_MODULE_ID]) == pytest.approx(0.45)


def test_fall_back_to_autograd_is_restored(monkeypatch):
    ours, other = build_learner(ArrayPPOLearner)[0], build_learner(ArrayPPOLearner)[0]
    restored = []
    monkeypatch.setattr(other.stepper, "reset", restored.append)
    for fell_back in (True, False):
        monkeypatch.setattr(type(ours.stepper), "fell_back_to_autograd", fell_back)
        other.set_state(ours.get_state())
    other.set_state({"rl_module": ours.get_state()["rl_module"]})
    assert restored == [True, False, False]


def test_setting_weights_alone_keeps_the_number_of_steps():
    ours, _, fragment = build_both()
    ours.update(episodes=[fragment], minibatch_size=50)
    steps = ours.gradient_steps
    ours.set_state({"rl_module": ours.get_state()["rl_module"]})
    assert ours.gradient_steps == steps > 0
