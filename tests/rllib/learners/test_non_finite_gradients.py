"""Gradients that are not finite: steps are skipped, and a lasting failure ends the run."""

from __future__ import annotations

import pytest
import torch
from ray.rllib.core.learner.training_data import TrainingData

from battery_lab.common.errors import LabError
from battery_lab.rllib.learners.array_learner import MAX_NON_FINITE_STEPS
from battery_lab.rllib.learners.ppo_learner import ArrayPPOLearner
from tests.rllib.learners.ppo_learners import ADVANTAGES, build_learner, parameters_of

pytestmark = pytest.mark.usefixtures("one_torch_thread")


def test_step_with_nan_gradients_is_skipped(caplog):
    ours, fragment = build_learner(ArrayPPOLearner)
    minibatch = ours.tensors(TrainingData(episodes=[fragment]))
    minibatch[ADVANTAGES] = minibatch[ADVANTAGES] * float("nan")
    ours.step(minibatch, {})
    assert all(torch.isfinite(parameter).all() for parameter in parameters_of(ours))
    assert "not finite" in caplog.text


def test_run_with_lasting_nan_gradients_ends_with_a_remedy():
    ours, fragment = build_learner(ArrayPPOLearner)
    minibatch = ours.tensors(TrainingData(episodes=[fragment]))
    good, bad = minibatch, minibatch | {ADVANTAGES: minibatch[ADVANTAGES] * float("nan")}
    for _ in range(MAX_NON_FINITE_STEPS - 1):
        ours.step(bad, {})
    ours.step(good, {})
    for _ in range(MAX_NON_FINITE_STEPS - 1):
        ours.step(bad, {})
    ours.set_state(ours.get_state())
    for _ in range(MAX_NON_FINITE_STEPS - 1):
        ours.step(bad, {})
    with pytest.raises(LabError, match=r"algo\.lr"):
        ours.step(bad, {})
