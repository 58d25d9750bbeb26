"""Gradient steps as functions of tensors, which can be compiled, are those of torch."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from battery_lab.rollout.descent import FINITE, Clipping, adam_descent, descend, moments
from battery_lab.rollout.gradients import by_autograd, trained
from battery_lab.rollout.program import Program
from tests.rollout.trial import CLIPPING, Squares, Trial, close


def test_the_program_gives_what_autograd_gives():
    trial = Trial()
    module, batch, coefficients = trial.module, trial.batch, trial.coefficients
    figures = by_autograd(Squares(), module, trained(module, coefficients), batch, coefficients)
    wanted = [parameter.grad for parameter in trained(module, coefficients)]
    program = Program(Squares(), module, None)
    results = program((["scale", "weight"], ["x", "y"]), *program.arguments(batch, coefficients, ()))
    assert program.figures == ["errors", "loss"]
    assert close(results[:4], wanted)
    assert close(results[4:], [figures["errors"], figures["loss"]])


@pytest.mark.parametrize("by", ["global_norm", "norm", "value", None])
def test_the_program_descends_as_the_optimisers_do(by):
    clipping = Clipping(limit=0.05 if by else None, by=by or "global_norm")
    one, other = Trial(clipping=clipping), Trial(clipping=clipping)
    one.run(2)
    other.run(2)
    descent = adam_descent(other.optimizers, trained(other.module, other.coefficients), clipping)
    program = Program(Squares(), other.module, descent)
    arguments = program.arguments(other.batch, other.coefficients, moments(other.optimizers))
    results = program((["scale", "weight"], ["x", "y"]), *arguments)
    wanted = one.step(2)
    assert close(other.state, one.state)
    assert close(results, [wanted[name] for name in program.figures])
    assert set(program.figures) >= {"gradients_net_global_norm", "gradients_scale_global_norm", FINITE}


def test_the_program_leaves_everything_where_a_gradient_is_not_finite():
    trial = Trial()
    trial.run(2)
    before = trial.state
    trial.batch["y"][3] = torch.inf
    descent = adam_descent(trial.optimizers, trained(trial.module, trial.coefficients), CLIPPING)
    program = Program(Squares(), trial.module, descent)
    results = program(
        (["scale", "weight"], ["x", "y"]),
        *program.arguments(trial.batch, trial.coefficients, moments(trial.optimizers)),
    )
    assert not results[program.figures.index(FINITE)]
    assert all(torch.equal(a, b) for a, b in zip(trial.state, before, strict=True))
    assert not trial.step(2)[FINITE]
    assert all(torch.equal(a, b) for a, b in zip(trial.state, before, strict=True))


def test_what_is_trained_has_a_gradient_and_nothing_else():
    trial = Trial()
    by_autograd(Squares(), trial.module, trained(trial.module, trial.coefficients), trial.batch, trial.coefficients)
    assert len(trained(trial.module, trial.coefficients)) == 4
    assert trial.module[0].bias.grad is None
    assert trial.coefficients["weight"].grad is None


@pytest.mark.parametrize("which", ["sgd", "amsgrad", "groups", "no step yet"])
def test_only_plain_adam_is_put_into_the_program(which):
    kind = {"sgd": torch.optim.SGD, "amsgrad": lambda p, lr: torch.optim.Adam(p, lr=lr, amsgrad=True)}.get(which)
    trial = Trial(kind=kind)
    if which != "no step yet":
        trial.run(1)
    if which == "groups":
        trial.optimizers[1][1].add_param_group({"params": [trial.module[0].bias]})
    assert adam_descent(trial.optimizers, trained(trial.module, trial.coefficients), CLIPPING) is None


def test_descending_tells_the_norms_before_clipping():
    trial = Trial()
    by_autograd(Squares(), trial.module, trained(trial.module, trial.coefficients), trial.batch, trial.coefficients)
    raw = torch.linalg.vector_norm(
        torch.cat([p.grad.flatten() for p in trial.module.parameters() if p.grad is not None])
    )
    figures = descend(trial.optimizers, Clipping(limit=1e-3, by="global_norm"))
    assert float(figures["gradients_net_global_norm"]) == pytest.approx(float(raw))
    clipped = torch.cat([p.grad.flatten() for p in trial.module.parameters() if p.grad is not None])
    assert float(torch.linalg.vector_norm(clipped)) == pytest.approx(1e-3, rel=1e-2)


@pytest.mark.parametrize("change", ["losses", "network", "rows", "threads", "coefficients", "clipping", "optimiser"])
def test_another_program_has_another_name(change, monkeypatch):
    trial = Trial()
    trial.step(0)
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
    if change == "clipping":
        monkeypatch.setattr("tests.rollout.trial.CLIPPING", Clipping(limit=0.4, by="global_norm"))
    if change == "optimiser":
        trial.optimizers[0][1].param_groups[0]["betas"] = (0.8, 0.99)
    assert trial.key != first
