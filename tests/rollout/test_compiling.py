"""Gradient steps by a compiled program are those of autograd, from a step on that does not depend on time."""

from __future__ import annotations

import json
import logging
import shutil
import time

import pytest
import torch
from torch import nn

from battery_lab.rollout.compiling import CompiledGradients, program_key
from battery_lab.rollout.gradients import Program, by_autograd, trained

NEEDS_COMPILER = pytest.mark.skipif(shutil.which("g++") is None, reason="needs g++ (make system)")


class Squares:
    """A loss with a coefficient that is trained and one that is not."""

    def __call__(self, module, batch, coefficients):
        errors = (module(batch["x"]).squeeze(1) * coefficients["scale"] - batch["y"]) ** 2
        loss = errors.mean() * coefficients["weight"]
        return loss, {"loss": loss.detach(), "errors": errors.detach()}

    def __repr__(self):  # noqa: D105
        return "Squares()"


def parts(seed=0, rows=32):
    torch.manual_seed(seed)
    module = nn.Sequential(nn.Linear(5, 8), nn.Tanh(), nn.Linear(8, 1))
    module[0].bias.requires_grad = False
    scale = nn.Parameter(torch.tensor(1.5))
    batch = {"x": torch.randn(rows, 5), "y": torch.randn(rows)}
    return module, batch, {"scale": scale, "weight": torch.tensor(0.7)}


def gradients(module, coefficients):
    return [parameter.grad.clone() for parameter in trained(module, coefficients)]


def test_the_program_gives_what_autograd_gives():
    module, batch, coefficients = parts()
    figures = by_autograd(Squares(), module, trained(module, coefficients), batch, coefficients)
    wanted = gradients(module, coefficients)
    program = Program(Squares(), module)
    results = program((["scale", "weight"], ["x", "y"]), *program.arguments(batch, coefficients))
    assert program.figures == ["errors", "loss"]
    assert all(torch.allclose(a, b) for a, b in zip(results[:4], wanted, strict=True))
    assert torch.allclose(results[4], figures["errors"])
    assert torch.allclose(results[5], figures["loss"])


def test_what_is_trained_has_a_gradient_and_nothing_else():
    module, batch, coefficients = parts()
    by_autograd(Squares(), module, trained(module, coefficients), batch, coefficients)
    assert len(trained(module, coefficients)) == 4
    assert module[0].bias.grad is None
    assert coefficients["weight"].grad is None


@pytest.fixture(scope="module")
def compiled(tmp_path_factory):
    """A cache that holds the program, and what its making said."""
    cache = tmp_path_factory.mktemp("compiled")
    module, batch, coefficients = parts()
    steps = CompiledGradients(Squares(), module, cache, after=0)
    steps(batch, coefficients, 0)
    assert steps._loaded is not None
    return cache


@NEEDS_COMPILER
def test_compiled_gradients_agree_while_parameters_move(compiled):
    module, batch, coefficients = parts(seed=1)
    steps = CompiledGradients(Squares(), module, compiled, after=0)
    optimizer = torch.optim.SGD([*module.parameters(), coefficients["scale"]], lr=0.1)
    for number in range(5):
        figures = steps(batch, coefficients, number)
        found = gradients(module, coefficients)
        wanted_figures = by_autograd(Squares(), module, trained(module, coefficients), batch, coefficients)
        assert steps._loaded is not None
        assert all(torch.allclose(a, b, atol=1e-6) for a, b in zip(found, gradients(module, coefficients), strict=True))
        assert torch.allclose(figures["errors"], wanted_figures["errors"], atol=1e-6)
        optimizer.step()


@NEEDS_COMPILER
def test_the_next_run_finds_the_program(compiled):
    module, batch, coefficients = parts()
    begun = time.perf_counter()
    steps = CompiledGradients(Squares(), module, compiled, after=0)
    steps(batch, coefficients, 0)
    assert steps._job is None and steps._loaded is not None
    assert time.perf_counter() - begun < 5


@NEEDS_COMPILER
def test_it_takes_over_at_its_step_and_not_before(compiled):
    module, batch, coefficients = parts()
    steps = CompiledGradients(Squares(), module, compiled, after=3)
    taken = []
    for number in range(5):
        steps(batch, coefficients, number)
        taken.append(steps._loaded is not None)
    assert taken == [False, False, False, True, True]


@NEEDS_COMPILER
def test_a_minibatch_of_another_size_goes_by_autograd(compiled):
    module, batch, coefficients = parts()
    steps = CompiledGradients(Squares(), module, compiled, after=0)
    steps(batch, coefficients, 0)
    small = {name: values[:7] for name, values in batch.items()}
    assert steps(small, coefficients, 1)["errors"].shape == (7,)


@NEEDS_COMPILER
def test_a_program_that_gives_other_gradients_is_not_used(compiled, tmp_path, caplog):
    for path in compiled.iterdir():
        shutil.copy(path, tmp_path)
    module, batch, coefficients = parts()

    class Other(Squares):
        def __call__(self, module, batch, coefficients):
            loss, figures = super().__call__(module, batch, coefficients)
            return loss * 1.01, figures

    steps = CompiledGradients(Other(), module, tmp_path, after=0)
    steps(batch, coefficients, 0)
    assert steps._loaded is None
    assert "gives other gradients" in caplog.text
    found = gradients(module, coefficients)
    by_autograd(Other(), module, trained(module, coefficients), batch, coefficients)
    assert all(torch.equal(a, b) for a, b in zip(found, gradients(module, coefficients), strict=True))


def test_without_a_compiler_one_line_says_so_and_autograd_goes_on(tmp_path, monkeypatch, caplog):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("CXX", "no-such-compiler")
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path / "inductor"))
    module, batch, coefficients = parts()
    steps = CompiledGradients(Squares(), module, tmp_path / "cache", after=0)
    with caplog.at_level(logging.WARNING):
        for number in range(3):
            steps(batch, coefficients, number)
    assert len(caplog.records) == 1
    assert "make system" in caplog.text and "\n" not in caplog.records[0].getMessage()
    assert not (tmp_path / "cache").exists()


def test_a_compiler_that_fails_is_told_in_one_line_and_autograd_goes_on(tmp_path, monkeypatch, caplog):
    compiler = tmp_path / "broken"
    compiler.write_text("#!/bin/sh\necho no space left >&2; exit 1\n")
    compiler.chmod(0o755)
    monkeypatch.setenv("CXX", str(compiler))
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path / "inductor"))
    module, batch, coefficients = parts()
    steps = CompiledGradients(Squares(), module, tmp_path / "cache", after=0)
    for number in range(3):
        steps(batch, coefficients, number)
    assert len(caplog.records) == 1
    assert "go on as they are" in caplog.text and "\n" not in caplog.records[0].getMessage()
    assert list((tmp_path / "cache").iterdir()) == []


def test_a_broken_package_is_told_and_left(tmp_path, caplog):
    module, batch, coefficients = parts()
    key = program_key(Squares(), module, batch, coefficients)
    (tmp_path / f"{key}.pt2").write_bytes(b"no package")
    (tmp_path / f"{key}.json").write_text(json.dumps(["errors", "loss"]))
    steps = CompiledGradients(Squares(), module, tmp_path, after=0)
    steps(batch, coefficients, 0)
    assert steps._loaded is None and len(caplog.records) == 1


def test_a_program_that_was_no_good_is_made_anew_by_the_next_run(tmp_path):
    module, batch, coefficients = parts()
    package = tmp_path / f"{program_key(Squares(), module, batch, coefficients)}.pt2"
    package.write_bytes(b"no package")
    package.with_suffix(".json").write_text(json.dumps(["errors", "loss"]))
    CompiledGradients(Squares(), module, tmp_path, after=0)(batch, coefficients, 0)
    assert list(tmp_path.iterdir()) == []


def test_a_network_that_cannot_be_sent_elsewhere_is_trained_by_autograd(tmp_path, caplog):
    class Local(nn.Linear):
        pass

    _, batch, coefficients = parts()
    steps = CompiledGradients(Squares(), Local(5, 1), tmp_path, after=0)
    assert "loss" in steps(batch, coefficients, 0)
    assert len(caplog.records) == 1 and "Local" in caplog.text


def test_compilation_ends_with_the_run(tmp_path):
    module, batch, coefficients = parts()
    steps = CompiledGradients(Squares(), module, tmp_path, after=10)
    steps(batch, coefficients, 0)
    assert steps._job is not None and steps._job.poll() is None
    steps.close()
    assert steps._job.poll() is not None
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("change", ["losses", "network", "rows", "threads", "coefficients"])
def test_another_program_has_another_name(change, monkeypatch):
    module, batch, coefficients = parts()
    losses = Squares()
    first = program_key(losses, module, batch, coefficients)
    if change == "losses":
        losses.__class__ = type("Cubes", (Squares,), {"__repr__": lambda self: "Cubes()"})
    if change == "network":
        module[1] = nn.ReLU()
    if change == "rows":
        batch = {name: values[:8] for name, values in batch.items()}
    if change == "threads":
        monkeypatch.setattr(torch, "get_num_threads", lambda: 77)
    if change == "coefficients":
        coefficients = coefficients | {"more": torch.tensor(1.0)}
    assert program_key(losses, module, batch, coefficients) != first
