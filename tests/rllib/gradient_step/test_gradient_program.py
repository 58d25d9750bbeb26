"""Gradient programs: they return the gradients of autograd, and may take over from it."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from battery_lab.rllib.gradient_step.autograd import compute_gradients, trainable_parameters
from battery_lab.rllib.gradient_step.equivalence import same_memory_layout
from battery_lab.rllib.gradient_step.gradient_program import GradientProgram
from battery_lab.rllib.gradient_step.optimizer_step import GradientClipping, OptimizerStep
from tests.rllib.gradient_step.small_regression import Squares, Trial, close
from tests.rllib.stand_in_compiler import StandIns

NAMES = (["scale", "weight"], ["x", "y"])


def test_program_returns_gradients_and_metrics_of_autograd():
    trial = Trial()
    module, batch, coefficients = trial.module, trial.batch, trial.coefficients
    parameters = trainable_parameters(module, coefficients)
    metrics = compute_gradients(Squares(), module, parameters, batch, coefficients)
    program = GradientProgram(Squares(), module)
    results = program(NAMES, *program.arguments(batch, coefficients))
    assert program.metric_names == ["errors", "loss"]
    assert close(results[:4], [parameter.grad for parameter in parameters])
    assert close(results[4:], [metrics["errors"], metrics["loss"]])


class TransposedGradient(nn.Module):
    """A layer whose gradient autograd returns transposed."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(3, 5))

    def forward(self, x):
        return torch.einsum("bi,oi->bo", x, self.weight).mean(1, keepdim=True)


def test_gradients_have_the_memory_layout_of_their_parameters():
    trial = Trial(module=nn.Sequential(nn.Linear(5, 5), TransposedGradient(), nn.Linear(1, 1)))
    module, batch, coefficients = trial.module, trial.batch, trial.coefficients
    parameters = trainable_parameters(module, coefficients)
    loss, _ = Squares()(module, batch, coefficients)
    raw = torch.autograd.grad(loss, parameters)
    program = GradientProgram(Squares(), module)
    results = program(NAMES, *program.arguments(batch, coefficients))
    assert not same_memory_layout(raw, parameters) and same_memory_layout(results, parameters)
    assert close(results[: len(raw)], raw)
    assert not same_memory_layout([torch.ones(2)], [torch.ones(3)])


def with_gradients(trial):
    """Return the trainable parameters of a trial, after their gradients are set."""
    parameters = trainable_parameters(trial.module, trial.coefficients)
    compute_gradients(Squares(), trial.module, parameters, trial.batch, trial.coefficients)
    return parameters


def test_only_trainable_parameters_get_gradients():
    trial = Trial()
    assert len(with_gradients(trial)) == 4
    assert trial.module[0].bias.grad is None
    assert trial.coefficients["weight"].grad is None


def test_step_reports_the_norm_before_clipping():
    trial = Trial(optimizer=lambda parameters, lr: torch.optim.SGD(parameters, lr=1.0))
    before = [parameter.detach().clone() for parameter in trial.module.parameters()]
    with_gradients(trial)
    gradients = [p.grad.flatten() for p in trial.module.parameters() if p.grad is not None]
    norm = float(torch.linalg.vector_norm(torch.cat(gradients)))
    metrics = OptimizerStep(trial.optimizers, GradientClipping(limit=1e-3, by="global_norm"))()
    assert float(metrics["gradients_net_global_norm"]) == pytest.approx(norm)
    change = torch.cat([(a - b).detach().flatten() for a, b in zip(trial.module.parameters(), before, strict=True)])
    assert float(torch.linalg.vector_norm(change)) == pytest.approx(1e-3, rel=1e-2)


class UnusedParameter(nn.Linear):
    """A layer with a parameter that its output does not depend on."""

    def __init__(self, *sizes):
        super().__init__(*sizes)
        self.unused = nn.Parameter(torch.ones(3))


def run_past_the_take_over(tmp_path, monkeypatch, transposes):
    """Return a trial in which a program may take over, and the same trial without a program."""
    programs = StandIns(monkeypatch).made
    module = nn.Sequential(nn.Linear(5, 8), nn.Tanh(), UnusedParameter(8, 1))
    compiled, plain = (Trial(cache, compile_after=2, module=copy.deepcopy(module)) for cache in (tmp_path, None))
    compiled.run(2)
    programs[0].transposes = transposes
    compiled.run(3, first=2)
    plain.run(5)
    return compiled, plain


def test_compiled_steps_do_not_change_a_parameter_without_a_gradient(tmp_path, monkeypatch):
    compiled, plain = run_past_the_take_over(tmp_path, monkeypatch, transposes=False)
    assert compiled.steps.uses_compiled_program
    assert torch.equal(compiled.module[2].unused, torch.ones(3))
    assert close(compiled.state, plain.state)


def test_program_with_transposed_gradients_is_discarded(tmp_path, monkeypatch, caplog):
    compiled, plain = run_past_the_take_over(tmp_path, monkeypatch, transposes=True)
    assert not compiled.steps.uses_compiled_program and "differs from autograd" in caplog.text
    assert close(compiled.state, plain.state)
