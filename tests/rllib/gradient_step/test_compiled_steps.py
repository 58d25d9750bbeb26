"""Gradient steps by a compiled program are those of torch, from a step on that does not depend on time."""

from __future__ import annotations

import copy
import json
import logging
from functools import partial
from unittest import mock

import pytest
import torch
from torch import nn

from battery_lab.rllib.gradient_step.gradient_steps import GradientSteps
from battery_lab.rllib.gradient_step.optimizer_step import Clipping
from battery_lab.rllib.process_resources import torch_threads
from tests.rllib.standin import StandIns
from tests.rllib.trial import Squares, Trial, close


@pytest.fixture
def made(monkeypatch):
    """Programs that were made, none of which had to be compiled for seconds; test_takeover compiles one."""
    return StandIns(monkeypatch).made


@pytest.fixture
def compiled(made, tmp_path):
    """A cache that holds the program."""
    trial = Trial(tmp_path / "compiled")
    trial.run(2)
    assert trial.steps._taken_over and [program.runs for program in made] == [2]
    return tmp_path / "compiled"


def test_compiled_steps_go_where_others_go(compiled):
    ours, plain = Trial(compiled, seed=1), Trial(seed=1)
    for number in range(6):
        figures, wanted = ours.step(number), plain.step(number)
        assert close([figures[name] for name in sorted(figures)], [wanted[name] for name in sorted(wanted)])
    assert ours.steps._taken_over
    assert close(ours.state, plain.state)


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


def test_several_learners_share_what_the_program_gives(compiled):
    def trial(cache=None):
        made = Trial(cache)
        made.steps._share = lambda: made.scale.grad.mul_(0.5)
        return made

    ours, plain = trial(compiled), trial()
    ours.run(4)
    plain.run(4)
    assert ours.steps._taken_over
    assert close(ours.state, plain.state)


def test_the_next_run_finds_the_program(compiled, made):
    trial = Trial(compiled)
    trial.run(2)
    assert trial.steps._compilation is None and trial.steps._taken_over
    assert [program.runs for program in made] == [4]


def test_it_takes_over_at_its_step_and_not_before(compiled):
    trial = Trial(compiled, after=3)
    taken = []
    for number in range(5):
        trial.step(number)
        taken.append(trial.steps._taken_over)
    assert taken == [False, False, False, True, True]


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


def test_a_minibatch_of_another_size_goes_without_the_program(compiled, made):
    trial = Trial(compiled)
    trial.run(2)
    trial.batch = {name: values[:7] for name, values in trial.batch.items()}
    assert trial.step(2)["errors"].shape == (7,)
    assert [program.runs for program in made] == [4]


class Tilted(Squares):
    """Another loss by the same name."""

    def __call__(self, module, batch, coefficients):
        loss, figures = super().__call__(module, batch, coefficients)
        return loss + 0.1 * module(batch["x"]).mean(), figures


class Doubled(Squares):
    """The same loss, whose errors are told twice as large."""

    def __call__(self, module, batch, coefficients):
        loss, figures = super().__call__(module, batch, coefficients)
        return loss, figures | {"errors": 2 * figures["errors"]}


class Telling(Squares):
    """The same loss, of which more is told."""

    def __call__(self, module, batch, coefficients):
        loss, figures = super().__call__(module, batch, coefficients)
        return loss, figures | {"twice": 2 * figures["loss"]}


@pytest.mark.parametrize("losses", [Tilted(), Doubled(), Telling()], ids=["loss", "errors", "figures"])
def test_a_program_that_does_something_else_is_not_used(losses, compiled, caplog, monkeypatch):
    for path in compiled.iterdir():
        path.rename(compiled / f"same{path.suffix}")
    monkeypatch.setattr("battery_lab.rllib.gradient_step.gradient_steps.program_key", lambda *parts: "same")
    trial, plain = Trial(compiled, losses=losses), Trial(losses=losses)
    trial.run(3)
    plain.run(3)
    assert not trial.steps._taken_over
    assert len(caplog.records) == 1 and "go on as they are" in caplog.text
    assert list(compiled.iterdir()) == []
    assert all(torch.equal(a, b) for a, b in zip(trial.state, plain.state, strict=True))


@pytest.mark.parametrize(
    "other",
    [
        {"clipping": Clipping(limit=0.1, by="global_norm")},
        {"clipping": Clipping(limit=0.1, by="norm")},
        {"clipping": Clipping(limit=0.02, by="value")},
        {"kind": torch.optim.AdamW},
        {"kind": torch.optim.SGD},
    ],
    ids=["global_norm", "norm", "value", "adamw", "sgd"],
)
def test_one_program_serves_whatever_clips_and_descends(other, compiled):
    ours, plain = Trial(compiled, **other), Trial(**other)
    ours.run(4)
    plain.run(4)
    assert ours.steps._compilation is None and ours.steps._taken_over
    assert close(ours.state, plain.state)


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


def broken(folder, after=0):
    """A trial whose program in the cache is no program."""
    trial = Trial(folder, after)
    package = folder / f"{trial.key}.pt2"
    package.write_bytes(b"no package")
    package.with_suffix(".json").write_text(json.dumps(["errors", "loss"]))
    return trial


def test_a_broken_package_is_told_and_left_and_made_anew_by_the_next_run(tmp_path, caplog):
    trial = broken(tmp_path)
    trial.run(2)
    assert not trial.steps._taken_over and len(caplog.records) == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("after", [0, 9], ids=["taken over", "still before"])
def test_a_run_that_went_without_the_program_goes_on_without_and_says_so(after, tmp_path, caplog):
    first = broken(tmp_path, after)
    assert not first.steps.goes_without
    first.run(2)
    assert first.steps.goes_without and len(caplog.records) == 1
    resumed = Trial(tmp_path, after)
    resumed.steps.forget(first.steps.goes_without)
    resumed.run(2)
    assert list(tmp_path.iterdir()) == [] and resumed.steps.goes_without
    assert len(caplog.records) == 2 and "go on as they are" in caplog.records[1].getMessage()


def test_a_run_that_was_to_compile_nothing_goes_without_nothing():
    trial = Trial(None)
    trial.steps.forget(True)
    trial.run(2)
    assert not trial.steps.goes_without


def test_a_network_that_cannot_be_sent_elsewhere_is_trained_without(tmp_path, caplog, monkeypatch):
    monkeypatch.setattr(
        "battery_lab.rllib.gradient_step.compiler_process.compiler", lambda: "g++"
    )  # which is not come to

    class Local(nn.Sequential):
        pass

    trial = Trial(tmp_path, module=Local(nn.Linear(5, 1)))
    trial.run(3)
    assert len(caplog.records) == 1 and "Local" in caplog.text


@pytest.mark.parametrize(
    ("hurry", "threads", "before"), [(True, 2, 1), (True, 1, 1), (True, 5, 1), (False, 2, 2)], ids=str
)
def test_a_core_is_left_to_a_hurried_compiler_until_its_program_takes_over(
    hurry, threads, before, tmp_path, monkeypatch
):
    monkeypatch.setattr("battery_lab.rllib.gradient_step.gradient_steps.cores", lambda: 2)
    monkeypatch.setattr(torch, "get_num_threads", lambda: threads)
    make = partial(
        GradientSteps, Squares(), nn.Linear(1, 1), [], Clipping(limit=None, by="value"), after=3, hurry=hurry
    )
    monkeypatch.setattr("battery_lab.rllib.gradient_step.gradient_steps.compiler", lambda: "g++")
    assert [make(cache=tmp_path).threads(number) for number in (0, 2, 3)] == [before, before, threads]
    assert [make(cache=None).threads(number) for number in (0, 2, 3)] == [threads] * 3
    monkeypatch.setattr("battery_lab.rllib.gradient_step.gradient_steps.compiler", lambda: None)
    assert [make(cache=tmp_path).threads(number) for number in (0, 2, 3)] == [threads] * 3


def test_how_many_threads_compute_does_not_depend_on_whether_compiling_worked(tmp_path, monkeypatch):
    monkeypatch.setattr("battery_lab.rllib.gradient_step.gradient_steps.cores", lambda: 2)
    monkeypatch.setattr("battery_lab.rllib.gradient_step.gradient_steps.compiler", lambda: "g++")
    with torch_threads(2):
        trial = Trial(tmp_path, after=5)
    monkeypatch.setattr(
        "battery_lab.rllib.gradient_step.gradient_steps.Compilation", mock.Mock(side_effect=OSError("no place"))
    )
    assert trial.steps.threads(0) == 1
    trial.run(3)
    assert not trial.steps._compiles and trial.steps.threads(3) == 1


def test_programs_are_made_for_the_threads_that_they_will_have(tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(
        "battery_lab.rllib.gradient_step.gradient_steps.Compilation", lambda *parts, **options: asked.append(parts)
    )
    with torch_threads(2):
        trial = Trial(tmp_path, after=5)
        wanted = trial.key
    with torch_threads(1):
        trial.step(0)
        assert trial.steps._package.stem == wanted != trial.key
    assert asked[0][-1] == 2
