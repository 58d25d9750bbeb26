"""Stand-ins of the compiler for tests of compiled gradient steps, and a cache that holds their program."""

from __future__ import annotations

import pytest

from tests.rllib.gradient_step.small_regression import Trial
from tests.rllib.stand_in_compiler import StandIns


@pytest.fixture
def stand_ins(monkeypatch):
    """Replace the compiler, which takes seconds, by traced programs; test_compiled_resumption compiles a real one."""
    return StandIns(monkeypatch)


@pytest.fixture
def programs(stand_ins):
    return stand_ins.made


@pytest.fixture
def cache(programs, tmp_path):
    """A cache that holds the program."""
    trial = Trial(tmp_path / "compiled")
    trial.run(2)
    assert trial.steps.uses_compiled_program and [program.runs for program in programs] == [2]
    return tmp_path / "compiled"
