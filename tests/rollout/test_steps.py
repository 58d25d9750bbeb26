"""Gradient steps as functions of tensors, which can be compiled, are those of torch."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from battery_lab.rollout.descent import Clipping, Descent
from battery_lab.rollout.gradients import by_autograd, trained
from battery_lab.rollout.program import Program
from tests.rollout.trial import Squares, Trial, close


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


def test_what_is_trained_has_a_gradient_and_nothing_else():
    trial = Trial()
    by_autograd(Squares(), trial.module, trained(trial.module, trial.coefficients), trial.batch, trial.coefficients)
    assert len(trained(trial.module, trial.coefficients)) == 4
    assert trial.module[0].bias.grad is None
    assert trial.coefficients["weight"].grad is None


def test_descending_tells_the_norms_before_clipping():
    trial = Trial()
    by_autograd(Squares(), trial.module, trained(trial.module, trial.coefficients), trial.batch, trial.coefficients)
    raw = torch.linalg.vector_norm(
        torch.cat([p.grad.flatten() for p in trial.module.parameters() if p.grad is not None])
    )
    figures = Descent(trial.optimizers, Clipping(limit=1e-3, by="global_norm"))()
    assert float(figures["gradients_net_global_norm"]) == pytest.approx(float(raw))
    clipped = torch.cat([p.grad.flatten() for p in trial.module.parameters() if p.grad is not None])
    assert float(torch.linalg.vector_norm(clipped)) == pytest.approx(1e-3, rel=1e-2)


@pytest.mark.parametrize("change", ["losses", "network", "rows", "threads", "coefficients"])
def test_another_program_has_another_name(change, monkeypatch):
    trial = Trial()
    first = trial.key
    if change == "losses":
        trial.losses.__class__ = type("Cubes", (Squares,), {"__repr__": lambda self: "Cubes()"})
    if change == "network":
        trial.module[1] = nn.ReLU()
    if change == "rows":
        trial.batch = {name: values[:8] for name, values in trial.batch.items()}
    if change == "threads":
        monkeypatch.setattr(torch, "get_num_threads", lambda: 77)
    if change == "coefficients":
        trial.coefficients = trial.coefficients | {"more": torch.tensor(1.0)}
    assert trial.key != first
