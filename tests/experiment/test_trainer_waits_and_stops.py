"""Waits and stops of the trainer: checkpoints on signals before iterations that would wait, and an end on a plateau.

A small class stands in for the learner where it waits.
"""

from __future__ import annotations

import os
import signal

import pytest

from battery_lab.algos.interfaces import Iteration
from battery_lab.experiment import checkpoint
from battery_lab.experiment.checkpoint import Progress
from battery_lab.experiment.policy_metrics import Validation
from battery_lab.experiment.trainer import Interrupted, Trainer, TrainOptions
from tests.experiment.small_runs import run


class StandInLearner:
    """Trains 100 steps per iteration. ``script(steps)`` says whether it waits."""

    def __init__(self, script):
        self.steps, self.saves, self.script = 0, [], script

    def is_waiting(self):
        return self.script(self.steps)

    def train(self):
        self.steps += 100
        return Iteration(self.steps, {})

    def save(self, folder, previous):
        self.saves.append(self.steps)
        (folder / "steps").write_text(str(self.steps))


def trainer(folder, script, **changes):
    options = {
        "env_steps": 1000,
        "checkpoint_every": 400,
        "validate_every": 1000,
        "keep_checkpoints": 9,
        "keep_policy": "best",
    }
    return Trainer(
        learner=StandInLearner(script),
        options=TrainOptions(**options | {"stop_on_plateau": 0, "threads": 1} | changes),
        folder=folder,
        progress=Progress(),
        validate=lambda: (0.5, {"validation/capture": 0.5}),
        keep=lambda: None,
        log=lambda metrics, env_steps: None,
        report=type("Silent", (), {"update": lambda *_: None})(),
    )


def interrupt():
    os.kill(os.getpid(), signal.SIGINT)


def stopped(training):
    with pytest.raises(Interrupted) as caught:
        training.run()
    assert caught.value.number == signal.SIGINT
    return checkpoint.env_steps(caught.value.path)


def test_an_iteration_starts_once_the_learner_no_longer_waits(tmp_path):
    questions = []

    def script(steps):
        questions.append(steps)
        return questions.count(300) in (1, 2) and steps == 300

    training = trainer(tmp_path, script)
    training.run()
    assert training.learner.steps == 1000
    assert questions == [0, 100, 200, 300, 300, 300, *range(400, 1000, 100)]


def test_a_signal_during_the_wait_saves_a_checkpoint_there(tmp_path):
    training = trainer(tmp_path, lambda steps: steps == 300 and (interrupt() or True))
    assert stopped(training) == 300
    assert training.learner.saves == [300]


def test_a_step_that_has_a_checkpoint_is_not_saved_again(tmp_path):
    training = trainer(tmp_path, lambda steps: steps == 400 and (interrupt() or True))
    assert stopped(training) == 400
    assert training.learner.saves == [400]


def test_a_signal_before_the_first_iteration_saves_the_start(tmp_path):
    training = trainer(tmp_path, lambda steps: interrupt() or True)
    assert stopped(training) == 0
    progress = checkpoint.latest(tmp_path / "checkpoints")[1]
    assert progress == Progress(next_checkpoint=400, next_validation=1000, seconds=progress.seconds)


def test_the_wait_counts_as_training_time(tmp_path):
    waits = []
    training = trainer(tmp_path, lambda steps: steps == 0 and len(waits) < 3 and waits.append(1) is None, env_steps=100)
    training.run()
    assert len(waits) == 3
    assert training.progress.seconds > 0.1


@pytest.mark.usefixtures("no_report")
def test_plateau_stops_training(tmp_path, monkeypatch):
    scores = iter([5.0, 4.0, 3.0, 2.0, 1.0])
    monkeypatch.setattr(Validation, "__call__", lambda self, policy: (next(scores), {"validation/capture": 0.1}))
    metrics = run(tmp_path / "run", "ppo", "train.stop_on_plateau=2", "train.validate_every=512")
    # RLlib does not count the first step of an episode, so an iteration is a few steps longer.
    assert 3 * 512 <= metrics["train/env_steps"] < 3 * 512 + 64
    assert 512 <= metrics["validation/env_steps"] < 512 + 64
