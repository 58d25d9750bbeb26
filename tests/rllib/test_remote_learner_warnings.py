"""Warnings of a remote learner are kept until they are taken, and logged where the run is."""

from __future__ import annotations

import logging

import pytest
from ray.rllib.algorithms.ppo import PPOConfig

from battery_lab.rllib.remote_learner_warnings import WarningCapture
from tests.rllib.remote_training import PPO, train


def test_warnings_are_kept_until_they_are_taken():
    capture, log = WarningCapture(), logging.getLogger("battery_lab.rllib.learners.array_learner")
    try:
        log.info("nothing of note")
        for step in range(30):
            log.warning("step %d is left out", step)
        assert capture.take() == [f"step {step} is left out" for step in range(10, 30)]
        assert capture.take() == []
    finally:
        logging.getLogger("battery_lab").removeHandler(capture)


@pytest.mark.slow
def test_warnings_of_a_remote_learner_are_logged_here(caplog, own_ray):
    nothing_finite = PPOConfig().training(**PPO | {"lambda_": float("nan")})
    train(nothing_finite, learners=1, rounds=1)
    assert "learner 0: a gradient is not finite" in caplog.text
