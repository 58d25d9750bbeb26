"""Compiler wait of a PPO learner: when an iteration waits for the compiler, and its end at shutdown."""

from __future__ import annotations

import pytest

from battery_lab.rllib.learners.ppo_learner import ArrayPPOLearner
from tests.rllib.learners.ppo_learners import build_learner

pytestmark = pytest.mark.usefixtures("one_torch_thread")


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
