"""Gradient steps by a compiled program are those of torch, from a step on that does not depend on time."""

from __future__ import annotations

import copy
import json
import logging
import shutil

import pytest
import torch
from torch import nn

from battery_lab.rollout.descent import FINITE, Clipping, adam_descent, descend, moments
from battery_lab.rollout.gradients import by_autograd, trained
from battery_lab.rollout.program import Program, program_key
from battery_lab.rollout.steps import GradientSteps

NEEDS_COMPILER = pytest.mark.skipif(shutil.which("g++") is None, reason="needs g++ (make system)")
CLIPPING = Clipping(limit=0.5, by="global_norm")


class Squares:
    """A loss with a coefficient that is trained and one that is not."""

    def __call__(self, module, batch, coefficients):
        errors = (module(batch["x"]).squeeze(1) * coefficients["scale"] - batch["y"]) ** 2
        loss = errors.mean() * coefficients["weight"]
        return loss, {"loss": loss.detach(), "errors": errors.detach()}

    def __repr__(self):  # noqa: D105
        return "Squares()"


class Trial:
    """All that a training holds: a network, a coefficient that is trained, and an optimiser for each."""

    def __init__(  # noqa: D107
        self, cache=None, after=0, seed=0, losses=None, clipping=CLIPPING, kind=None, module=None
    ):
        torch.manual_seed(seed)
        self.module = module or nn.Sequential(nn.Linear(5, 8), nn.Tanh(), nn.Linear(8, 1))
        self.module[0].bias.requires_grad = False
        self.scale = nn.Parameter(torch.tensor(1.5))
        self.batch = {"x": torch.randn(32, 5), "y": torch.randn(32)}
        self.coefficients = {"scale": self.scale, "weight": torch.tensor(0.7)}
        weights = [parameter for parameter in self.module.parameters() if parameter.requires_grad]
        kind = kind or (lambda parameters, lr: torch.optim.Adam(parameters, lr=lr, weight_decay=0.01, fused=True))
        self.optimizers = [("net", kind(weights, lr=0.01)), ("scale", kind([self.scale], lr=0.02))]
        self.losses = losses or Squares()
        self.steps = GradientSteps(self.losses, self.module, self.optimizers, clipping, cache=cache, after=after)

    def step(self, number):
        return self.steps(self.batch, self.coefficients, number)

    def run(self, count, first=0):
        return [self.step(number) for number in range(first, first + count)]

    @property
    def state(self):
        tensors = [*self.module.parameters(), self.scale, *moments(self.optimizers)]
        return [tensor.detach().clone() for tensor in tensors]

    @property
    def key(self):
        """The name of the program, as it is known after the first step."""
        descent = adam_descent(self.optimizers, trained(self.module, self.coefficients), CLIPPING)
        return program_key(self.losses, self.module, descent, self.batch, self.coefficients)


def close(found, wanted, atol=1e-6):
    return all(torch.allclose(a, b, atol=atol) for a, b in zip(found, wanted, strict=True))


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


@pytest.fixture(scope="module")
def compiled(tmp_path_factory):
    """A cache that holds the program."""
    cache = tmp_path_factory.mktemp("compiled")
    trial = Trial(cache)
    trial.run(2)
    assert trial.steps._taken_over
    return cache


@NEEDS_COMPILER
def test_compiled_steps_go_where_others_go(compiled):
    ours, plain = Trial(compiled, seed=1), Trial(seed=1)
    for number in range(6):
        figures, wanted = ours.step(number), plain.step(number)
        assert close([figures[name] for name in sorted(figures)], [wanted[name] for name in sorted(wanted)])
    assert ours.steps._taken_over
    assert close(ours.state, plain.state)


@NEEDS_COMPILER
def test_compiled_steps_follow_the_learning_rate_and_restored_optimisers(compiled):
    ours, plain = Trial(compiled, seed=1), Trial(seed=1)
    for trial in (ours, plain):
        trial.run(3)
        kept = copy.deepcopy([optimizer.state_dict() for _, optimizer in trial.optimizers])
        trial.run(2, first=3)
        for (_, optimizer), state in zip(trial.optimizers, kept, strict=True):
            optimizer.load_state_dict(state)
            optimizer.param_groups[0]["lr"] = 0.3
        trial.steps.forget()
        trial.run(2, first=5)
    assert ours.steps._taken_over
    assert close(ours.state, plain.state, atol=1e-4)


@NEEDS_COMPILER
@pytest.mark.slow
def test_with_several_learners_gradients_alone_are_compiled(tmp_path):
    def trial(cache=None):
        made = Trial(cache)
        made.steps._share = lambda: made.scale.grad.mul_(0.5)
        return made

    ours, plain = trial(tmp_path), trial()
    ours.run(4)
    plain.run(4)
    assert ours.steps._taken_over and ours.steps._descent is None
    assert close(ours.state, plain.state)


@NEEDS_COMPILER
def test_the_next_run_finds_the_program(compiled):
    trial = Trial(compiled)
    trial.run(2)
    assert trial.steps._compilation is None and trial.steps._taken_over


@NEEDS_COMPILER
def test_it_takes_over_at_its_step_and_not_before(compiled):
    trial = Trial(compiled, after=3)
    taken = []
    for number in range(5):
        trial.step(number)
        taken.append(trial.steps._taken_over)
    assert taken == [False, False, False, True, True]


@NEEDS_COMPILER
def test_it_takes_over_at_a_step_that_shows_whether_it_is_right(compiled):
    trial = Trial(compiled, after=2)
    trial.run(2)
    wanted, small = trial.batch, {name: values[:7] for name, values in trial.batch.items()}
    infinite = wanted | {"y": wanted["y"] * torch.inf}
    taken = []
    for number, batch in enumerate([small, infinite, wanted], 2):
        trial.batch = batch
        trial.step(number)
        taken.append(trial.steps._taken_over)
    assert taken == [False, False, True]
    assert all(torch.isfinite(tensor).all() for tensor in trial.state)


@NEEDS_COMPILER
def test_at_a_learning_rate_of_0_parameters_stay_and_moments_move(compiled):
    ours, plain = Trial(compiled, seed=1), Trial(seed=1)
    for trial in (ours, plain):
        trial.batch["x"][:, 2] = 0  # a feature without a gradient, whose moments are 0
        trial.run(3)
        for _, optimizer in trial.optimizers:
            optimizer.param_groups[0]["lr"] = 0.0
        before = trial.state
        trial.run(2, first=3)
        assert torch.equal(trial.state[0], before[0])
    assert ours.steps._taken_over
    assert close(ours.state, plain.state)


@NEEDS_COMPILER
def test_a_minibatch_of_another_size_goes_without_the_program(compiled):
    trial = Trial(compiled)
    trial.run(2)
    trial.batch = {name: values[:7] for name, values in trial.batch.items()}
    assert trial.step(2)["errors"].shape == (7,)


class Tilted(Squares):
    """Another loss by the same name."""

    def __call__(self, module, batch, coefficients):
        loss, figures = super().__call__(module, batch, coefficients)
        return loss + 0.1 * module(batch["x"]).mean(), figures


@NEEDS_COMPILER
@pytest.mark.parametrize(
    "other",
    [{"losses": Tilted()}, {"clipping": Clipping(limit=0.1, by="global_norm")}, {"kind": torch.optim.AdamW}],
    ids=["loss", "clipping", "optimiser"],
)
def test_a_program_that_does_something_else_is_not_used(other, compiled, tmp_path, caplog, monkeypatch):
    for path in compiled.iterdir():
        shutil.copy(path, tmp_path / f"same{path.suffix}")
    monkeypatch.setattr("battery_lab.rollout.steps.program_key", lambda *parts: "same")
    trial, plain = Trial(tmp_path, **other), Trial(**other)
    trial.run(3)
    plain.run(3)
    assert not trial.steps._taken_over
    assert len(caplog.records) == 1 and "go on as they are" in caplog.text
    assert list(tmp_path.iterdir()) == []
    assert all(torch.equal(a, b) for a, b in zip(trial.state, plain.state, strict=True))


def test_without_a_compiler_one_line_says_so_and_steps_go_on(tmp_path, monkeypatch, caplog):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("CXX", "no-such-compiler")
    trial = Trial(tmp_path / "cache")
    with caplog.at_level(logging.WARNING):
        trial.run(3)
    assert len(caplog.records) == 1
    assert "make system" in caplog.text and "\n" not in caplog.records[0].getMessage()
    assert not (tmp_path / "cache").exists()


def test_a_compiler_that_fails_is_told_in_one_line_and_steps_go_on(tmp_path, monkeypatch, caplog):
    compiler = tmp_path / "broken"
    compiler.write_text("#!/bin/sh\necho no space left >&2; exit 1\n")
    compiler.chmod(0o755)
    monkeypatch.setenv("CXX", str(compiler))
    Trial(tmp_path / "cache").run(3)
    assert len(caplog.records) == 1
    assert "go on as they are" in caplog.text and "\n" not in caplog.records[0].getMessage()
    assert list((tmp_path / "cache").iterdir()) == []


def broken(folder):
    """A trial whose program in the cache is no program."""
    trial = Trial(folder)
    trial.step(0)
    package = folder / f"{trial.key}.pt2"
    package.write_bytes(b"no package")
    package.with_suffix(".json").write_text(json.dumps(["errors", "loss"]))
    return trial


def test_a_broken_package_is_told_and_left_and_made_anew_by_the_next_run(tmp_path, caplog):
    trial = broken(tmp_path)
    trial.run(2, first=1)
    assert not trial.steps._taken_over and len(caplog.records) == 1
    assert list(tmp_path.iterdir()) == []


@NEEDS_COMPILER
def test_a_network_that_cannot_be_sent_elsewhere_is_trained_without(tmp_path, caplog):
    class Local(nn.Sequential):
        pass

    trial = Trial(tmp_path, module=Local(nn.Linear(5, 1)))
    trial.run(3)
    assert len(caplog.records) == 1 and "Local" in caplog.text


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
        monkeypatch.setitem(globals(), "CLIPPING", Clipping(limit=0.4, by="global_norm"))
    if change == "optimiser":
        trial.optimizers[0][1].param_groups[0]["betas"] = (0.8, 0.99)
    assert trial.key != first
