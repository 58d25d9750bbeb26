"""Compiled gradient steps: they equal torch's, and take over at a step that does not depend on time."""

from __future__ import annotations

import copy
from functools import partial

import pytest
import torch
from torch import nn

from battery_lab.rllib.gradient_step.gradient_steps import GradientSteps
from battery_lab.rllib.gradient_step.optimizer_step import GradientClipping
from battery_lab.rllib.threads_and_malloc import torch_threads
from tests.rllib.gradient_step.small_regression import Squares, Trial, close

STEPS = "battery_lab.rllib.gradient_step.gradient_steps"


def test_compiled_steps_equal_autograd_steps(cache):
    compiled, plain = Trial(cache, seed=1), Trial(seed=1)
    for number in range(6):
        metrics, expected = compiled.step(number), plain.step(number)
        assert close([metrics[name] for name in sorted(metrics)], [expected[name] for name in sorted(expected)])
    assert compiled.steps.uses_compiled_program
    assert close(compiled.state, plain.state)


def test_compiled_steps_follow_the_learning_rate_and_restored_optimizers(cache):
    compiled, plain = Trial(cache, seed=1), Trial(seed=1)
    for trial in (compiled, plain):
        trial.run(3)
        states = copy.deepcopy([optimizer.state_dict() for _, optimizer in trial.optimizers])
        trial.run(2, first=3)
        for (_, optimizer), state in zip(trial.optimizers, states, strict=True):
            optimizer.load_state_dict(state)
            optimizer.param_groups[0]["lr"] = 0.3
        trial.steps.reset()
        trial.run(2, first=5)
    assert compiled.steps.uses_compiled_program
    assert close(compiled.state, plain.state, atol=1e-4)


def test_compiled_gradients_are_averaged_over_learners(cache):
    def halve(trial):
        trial.scale.grad.mul_(0.5)

    compiled, plain = Trial(cache, average_gradients=halve), Trial(average_gradients=halve)
    compiled.run(4)
    plain.run(4)
    assert compiled.steps.uses_compiled_program
    assert close(compiled.state, plain.state)


def test_next_run_loads_the_program_from_the_cache(cache, programs):
    trial = Trial(cache)
    trial.run(2)
    assert trial.steps.uses_compiled_program
    assert [program.runs for program in programs] == [4]


def test_program_takes_over_at_its_step(cache):
    trial = Trial(cache, compile_after=3)
    used = []
    for number in range(5):
        trial.step(number)
        used.append(trial.steps.uses_compiled_program)
    assert used == [False, False, False, True, True]


def test_steps_announce_their_wait_for_the_compiler(tmp_path, stand_ins):
    answers: list[bool | Exception] = [False, RuntimeError("no space left"), FileNotFoundError("cache"), True]

    def ready():
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    stand_ins.ready = ready
    trial = Trial(tmp_path, compile_after=3)
    assert not trial.steps.waits_before(9)  # Nothing is compiled before the first step.
    trial.run(2)
    assert not trial.steps.waits_before(3)  # Step 3 is the first one with the program.
    assert trial.steps.waits_before(4)
    # The step that takes over reports failures, and does not wait for a package that is ready.
    assert not any(trial.steps.waits_before(4) for _ in range(3))
    assert not trial.steps.is_settled
    trial.run(2, first=2)
    assert trial.steps.is_settled and not trial.steps.waits_before(9) and not answers


def test_program_takes_over_only_at_a_full_and_finite_minibatch(cache):
    trial = Trial(cache, compile_after=2)
    trial.run(2)
    full, small = trial.batch, {name: values[:7] for name, values in trial.batch.items()}
    infinite = full | {"y": full["y"] * torch.inf}
    used = []
    for number, batch in enumerate([small, infinite, full], 2):
        trial.batch = batch
        trial.step(number)
        used.append(trial.steps.uses_compiled_program)
    assert used == [False, False, True]
    assert all(torch.isfinite(tensor).all() for tensor in trial.state)


def test_minibatch_of_another_size_uses_autograd(cache, programs):
    trial = Trial(cache)
    trial.run(2)
    trial.batch = {name: values[:7] for name, values in trial.batch.items()}
    assert trial.step(2)["errors"].shape == (7,)
    assert [program.runs for program in programs] == [4]


@pytest.mark.parametrize(
    "options",
    [
        {"clipping": GradientClipping(limit=0.1, by="global_norm")},
        {"clipping": GradientClipping(limit=0.1, by="norm")},
        {"clipping": GradientClipping(limit=0.02, by="value")},
        {"optimizer": torch.optim.AdamW},
        {"optimizer": torch.optim.SGD},
    ],
    ids=["global_norm", "norm", "value", "adamw", "sgd"],
)
def test_one_program_serves_every_clipping_and_optimizer(options, cache, programs):
    compiled, plain = Trial(cache, **options), Trial(**options)
    compiled.run(4)
    plain.run(4)
    assert len(programs) == 1 and compiled.steps.uses_compiled_program
    assert close(compiled.state, plain.state)


@pytest.mark.parametrize(
    ("urgent", "threads", "before"), [(True, 2, 1), (True, 1, 1), (True, 5, 1), (False, 2, 2)], ids=str
)
def test_urgent_compiler_gets_a_core_until_the_take_over(urgent, threads, before, tmp_path, monkeypatch):
    monkeypatch.setattr(f"{STEPS}.cores", lambda: 2)
    monkeypatch.setattr(torch, "get_num_threads", lambda: threads)
    clipping = GradientClipping(limit=None, by="value")
    make = partial(GradientSteps, Squares(), nn.Linear(1, 1), [], clipping, compile_after=3, urgent=urgent)
    monkeypatch.setenv("CXX", "/bin/sh")
    assert [make(cache=tmp_path).threads(number) for number in (0, 2, 3)] == [before, before, threads]
    assert [make(cache=None).threads(number) for number in (0, 2, 3)] == [threads] * 3
    monkeypatch.setenv("PATH", "")
    monkeypatch.delenv("CXX")
    assert [make(cache=tmp_path).threads(number) for number in (0, 2, 3)] == [threads] * 3


def test_number_of_threads_does_not_depend_on_whether_compilation_works(tmp_path, monkeypatch):
    monkeypatch.setattr(f"{STEPS}.cores", lambda: 2)
    monkeypatch.setenv("CXX", "/bin/sh")
    (tmp_path / "file").touch()
    with torch_threads(2):
        trial = Trial(tmp_path / "file" / "cache", compile_after=5)  # Nothing can be written below a file.
    assert trial.steps.threads(0) == 1
    trial.run(3)
    assert trial.steps.fell_back_to_autograd and trial.steps.threads(3) == 1


def test_program_is_compiled_for_the_threads_after_the_take_over(stand_ins, tmp_path):
    with torch_threads(2):
        trial = Trial(tmp_path, compile_after=5)
        key = trial.key
    with torch_threads(1):
        trial.step(0)
        assert trial.key != key
    assert [path.stem for path in tmp_path.glob("*.pt2")] == [key]
    assert stand_ins.threads == [2]
