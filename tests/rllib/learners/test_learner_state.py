"""State of the PPO learner: coefficients, the fallback to autograd and the number of steps."""

from __future__ import annotations

import pytest
from ray.rllib.core import DEFAULT_MODULE_ID

from battery_lab.rllib.learners.ppo_learner import ArrayPPOLearner
from battery_lab.rllib.stock_learners import CheckpointedPPOLearner
from tests.rllib.learners.ppo_learners import build_both, build_learner


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


def test_shutdown_ends_the_compilation(monkeypatch):
    learner, _ = build_learner(ArrayPPOLearner)
    closed = []
    monkeypatch.setattr(learner.stepper, "close", lambda: closed.append(True))
    learner.shutdown()
    assert closed == [True]


def test_a_wait_for_the_compiler_is_expected_from_the_steps_of_the_iteration_before(monkeypatch):
    learner, _ = build_learner(ArrayPPOLearner)
    expected = []
    monkeypatch.setattr(type(learner.stepper), "is_settled", False)
    monkeypatch.setattr(learner.stepper, "waits_before", lambda number: expected.append(number) or True)
    for iteration, steps in ((1, 40), (2, 44), (2, 44), (3, 48)):
        learner.gradient_steps = steps
        assert learner.waits_for_compiler(iteration) is True
    # Before the first iteration of a resumed run, all earlier steps count: it would wait too early, not too late.
    assert expected == [80, 48, 48, 52]
    monkeypatch.setattr(type(learner.stepper), "is_settled", True)
    assert learner.waits_for_compiler(4) is None
