"""Gradients of a learner's losses on a minibatch."""

from __future__ import annotations

from typing import Any

from battery_lab.rllib.gradient_step.autograd import compute_gradients, trainable_parameters


def gradients_of(learner: Any, minibatch: Any) -> Any:
    """Compute the gradients of a learner's losses, and return the figures."""
    coefficients = learner.coefficients()
    parameters = trainable_parameters(learner._rl_module, coefficients)
    return compute_gradients(learner.loss_function(), learner._rl_module, parameters, minibatch, coefficients)
