"""Gradients as a function of tensors, which can be compiled, are those of torch; and the function's name."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from battery_lab.rllib.gradient_step.autograd import by_autograd, trained
from battery_lab.rllib.gradient_step.equivalence import laid_out
from battery_lab.rllib.gradient_step.optimizer_step import Clipping, Descent
from battery_lab.rllib.gradient_step.traced_program import Program
from tests.rllib.standin import StandIns
from tests.rllib.trial import Squares, Trial, close


def test_the_program_gives_what_autograd_gives():
    trial = Trial()
    module, batch, coefficients = trial.module, trial.batch, trial.coefficients
    figures = by_autograd(Squares(), module, trained(module, coefficients), batch, coefficients)
    wanted = [parameter.grad for parameter in trained(module, coefficients)]
    program = Program(Squares(), module)
    results = program((["scale", "weight"], ["x", "y"]), *program.arguments(batch, coefficients))
    assert program.figures == ["errors", "loss"]
    assert close(results[:4], wanted)
    assert close(results[4:], [figures["errors"], figures["loss"]])


class Across(nn.Module):
    """A layer whose gradient autograd finds the other way round."""

    def __init__(self):  # noqa: D107
        super().__init__()
        self.weight = nn.Parameter(torch.randn(3, 5))

    def forward(self, x):
        return torch.einsum("bi,oi->bo", x, self.weight).mean(1, keepdim=True)


def test_gradients_lie_in_memory_as_their_parameters_do():
    trial = Trial(module=nn.Sequential(nn.Linear(5, 5), Across(), nn.Linear(1, 1)))
    module, batch, coefficients = trial.module, trial.batch, trial.coefficients
    parameters = trained(module, coefficients)
    loss, _ = Squares()(module, batch, coefficients)
    raw = torch.autograd.grad(loss, parameters)
    program = Program(Squares(), module)
    results = program((["scale", "weight"], ["x", "y"]), *program.arguments(batch, coefficients))
    assert not laid_out(raw, parameters) and laid_out(results, parameters)
    assert close(results[: len(raw)], raw)
    assert not laid_out([torch.ones(2)], [torch.ones(3)])


def test_what_is_trained_has_a_gradient_and_nothing_else():
    trial = Trial()
    by_autograd(Squares(), trial.module, trained(trial.module, trial.coefficients), trial.batch, trial.coefficients)
    assert len(trained(trial.module, trial.coefficients)) == 4
    assert trial.module[0].bias.grad is None
    assert trial.coefficients["weight"].grad is None


def test_descending_tells_the_norms_before_clipping():
    trial = Trial(kind=lambda parameters, lr: torch.optim.SGD(parameters, lr=1.0))
    before = [parameter.detach().clone() for parameter in trial.module.parameters()]
    by_autograd(Squares(), trial.module, trained(trial.module, trial.coefficients), trial.batch, trial.coefficients)
    raw = torch.linalg.vector_norm(
        torch.cat([p.grad.flatten() for p in trial.module.parameters() if p.grad is not None])
    )
    figures = Descent(trial.optimizers, Clipping(limit=1e-3, by="global_norm"))()
    assert float(figures["gradients_net_global_norm"]) == pytest.approx(float(raw))
    moved = torch.cat([(a - b).detach().flatten() for a, b in zip(trial.module.parameters(), before, strict=True)])
    assert float(torch.linalg.vector_norm(moved)) == pytest.approx(1e-3, rel=1e-2)


@pytest.mark.parametrize("change", ["losses", "network", "buffers", "rows", "threads", "coefficients"])
def test_another_program_has_another_name(change, monkeypatch):
    trial = Trial()
    first = trial.key
    if change == "losses":
        trial.losses.__class__ = type("Cubes", (Squares,), {"__repr__": lambda self: "Cubes()"})
    if change == "network":
        trial.module[1] = nn.ReLU()
    if change == "buffers":
        trial.module.register_buffer("mean", torch.zeros(2))
    if change == "rows":
        trial.batch = {name: values[:8] for name, values in trial.batch.items()}
    if change == "threads":
        monkeypatch.setattr(torch, "get_num_threads", lambda: 77)
    if change == "coefficients":
        trial.coefficients = trial.coefficients | {"more": torch.tensor(1.0)}
    assert trial.key != first


class Spare(nn.Linear):
    """A layer with a parameter that nothing uses."""

    def __init__(self, *sizes):  # noqa: D107
        super().__init__(*sizes)
        self.spare = nn.Parameter(torch.ones(3))


def taken_over(tmp_path, monkeypatch, turned):
    """A trial in which a program was to take over, and the same without one."""
    made = StandIns(monkeypatch).made
    module = nn.Sequential(nn.Linear(5, 8), nn.Tanh(), Spare(8, 1))
    ours, plain = (Trial(cache, after=2, module=copy.deepcopy(module)) for cache in (tmp_path, None))
    ours.run(2)
    made[0].turned = turned
    ours.run(3, first=2)
    plain.run(5)
    return ours, plain


def test_a_parameter_without_a_gradient_is_left_alone_by_compiled_steps_too(tmp_path, monkeypatch):
    ours, plain = taken_over(tmp_path, monkeypatch, turned=False)
    assert ours.steps._taken_over
    assert torch.equal(ours.module[2].spare, torch.ones(3))
    assert close(ours.state, plain.state)


def test_gradients_that_lie_otherwise_in_memory_are_refused(tmp_path, monkeypatch, caplog):
    ours, plain = taken_over(tmp_path, monkeypatch, turned=True)
    assert not ours.steps._taken_over and "does something else" in caplog.text
    assert close(ours.state, plain.state)
