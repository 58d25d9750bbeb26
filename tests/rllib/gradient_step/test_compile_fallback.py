"""Gradient steps without a compiled program: it is missing, broken or differs, and training continues by autograd."""

from __future__ import annotations

import json
import logging

import pytest
import torch
from torch import nn

from tests.rllib.gradient_step.small_regression import Squares, Trial

FELL_BACK = "computed without a compiled program"


class OtherLoss(Squares):
    """Another loss with the same representation."""

    def __call__(self, module, batch, coefficients):
        loss, metrics = super().__call__(module, batch, coefficients)
        return loss + 0.1 * module(batch["x"]).mean(), metrics


class OtherErrors(Squares):
    """The same loss, with errors that are twice as large."""

    def __call__(self, module, batch, coefficients):
        loss, metrics = super().__call__(module, batch, coefficients)
        return loss, metrics | {"errors": 2 * metrics["errors"]}


class MoreMetrics(Squares):
    """The same loss, with another metric."""

    def __call__(self, module, batch, coefficients):
        loss, metrics = super().__call__(module, batch, coefficients)
        return loss, metrics | {"twice": 2 * metrics["loss"]}


@pytest.mark.parametrize("loss_function", [OtherLoss(), OtherErrors(), MoreMetrics()], ids=["loss", "errors", "names"])
def test_program_that_differs_from_autograd_is_discarded(loss_function, cache, caplog):
    trial, plain = Trial(cache, loss_function=loss_function), Trial(loss_function=loss_function)
    assert (cache / f"{trial.key}.pt2").is_file()
    trial.run(3)
    plain.run(3)
    assert not trial.steps.uses_compiled_program
    assert len(caplog.records) == 1 and FELL_BACK in caplog.text
    assert list(cache.iterdir()) == []
    assert all(torch.equal(a, b) for a, b in zip(trial.state, plain.state, strict=True))


def test_missing_compiler_is_reported_once_and_training_continues(tmp_path, monkeypatch, caplog):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("CXX", "no-such-compiler")
    trial = Trial(tmp_path / "cache")
    with caplog.at_level(logging.WARNING):
        trial.run(3)
    assert len(caplog.records) == 1
    assert "make system" in caplog.text and "\n" not in caplog.records[0].getMessage()
    assert not (tmp_path / "cache").exists()


@pytest.mark.walk
def test_failed_compilation_is_reported_in_one_line_and_training_continues(tmp_path, monkeypatch, caplog):
    compiler = tmp_path / "broken"
    compiler.write_text("#!/bin/sh\necho no space left >&2; exit 1\n")
    compiler.chmod(0o755)
    monkeypatch.setenv("CXX", str(compiler))
    Trial(tmp_path / "cache").run(3)
    assert len(caplog.records) == 1
    assert FELL_BACK in caplog.text and "\n" not in caplog.records[0].getMessage()
    assert list((tmp_path / "cache").iterdir()) == []


def trial_with_broken_program(folder, compile_after=0):
    trial = Trial(folder, compile_after)
    package = folder / f"{trial.key}.pt2"
    package.write_bytes(b"no package")
    package.with_suffix(".json").write_text(json.dumps(["errors", "loss"]))
    return trial


def test_broken_package_is_reported_and_removed_from_the_cache(tmp_path, caplog):
    trial = trial_with_broken_program(tmp_path)
    trial.run(2)
    assert not trial.steps.uses_compiled_program and len(caplog.records) == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("compile_after", [0, 9], ids=["after take-over", "before take-over"])
def test_resumed_run_does_not_compile_if_the_first_one_fell_back(compile_after, tmp_path, caplog):
    first = trial_with_broken_program(tmp_path, compile_after)
    assert not first.steps.fell_back_to_autograd
    first.run(2)
    assert first.steps.fell_back_to_autograd and len(caplog.records) == 1
    resumed = Trial(tmp_path, compile_after)
    resumed.steps.reset(first.steps.fell_back_to_autograd)
    resumed.run(2)
    assert list(tmp_path.iterdir()) == [] and resumed.steps.fell_back_to_autograd
    assert len(caplog.records) == 2 and FELL_BACK in caplog.records[1].getMessage()


def test_run_without_compilation_does_not_fall_back():
    trial = Trial(None)
    trial.steps.reset(True)
    trial.run(2)
    assert not trial.steps.fell_back_to_autograd


def test_network_that_cannot_be_pickled_is_trained_without_a_program(tmp_path, caplog, monkeypatch):
    monkeypatch.setenv("CXX", "/bin/sh")  # It is never called.

    class Local(nn.Sequential):
        pass

    trial = Trial(tmp_path, module=Local(nn.Linear(5, 1)))
    trial.run(3)
    assert len(caplog.records) == 1 and "Local" in caplog.text
