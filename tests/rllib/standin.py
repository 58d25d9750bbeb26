"""Stands where compiling does: programs as they were traced, and packages that say which of them is meant."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from torch.fx.experimental.proxy_tensor import make_fx

from battery_lab.rllib.gradient_step.compiler_process import names_of
from battery_lab.rllib.gradient_step.traced_program import Program


class StandIn:
    """A program as a loaded package is one: from all tensors in a row to gradients and figures."""

    def __init__(self, losses, module, batch, coefficients):  # noqa: D107
        self.runs, self.turned = 0, False
        program, names = Program(losses, copy.deepcopy(module)), (sorted(coefficients), sorted(batch))
        groups = program.arguments(batch, coefficients)
        # Traced as for compiling, so that what cannot be traced is found here too.
        self._graph = make_fx(lambda *groups: program(names, *groups))(*groups)
        self._sizes, self.figures = [len(group) for group in groups], program.figures

    def run(self, tensors):
        self.runs += 1
        left = iter(tensors)
        with torch.no_grad():
            results = self._graph(*[[next(left) for _ in range(size)] for size in self._sizes])
        turned = results[0].t().contiguous().t() if self.turned else results[0]
        return [turned, *results[1:]]


class StandIns:
    """A compiler and a loader: a package holds the number of the program that was made for it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: D107
        self.made: list[StandIn] = []
        monkeypatch.setattr("battery_lab.rllib.gradient_step.gradient_steps.Compilation", self._compile)
        monkeypatch.setattr("torch._C._aoti.AOTIModelPackageLoader", self._load)

    def _compile(self, package, losses, module, batch, coefficients, threads, hurry):
        made = StandIn(losses, module, batch, coefficients)
        package.parent.mkdir(parents=True, exist_ok=True)
        names_of(package).write_text(json.dumps(made.figures))
        package.write_text(str(len(self.made)))
        self.made.append(made)
        return SimpleNamespace(wait=lambda: None, close=lambda: None)

    def _load(self, path, *options):
        try:
            return self.made[int(Path(path).read_text())]
        except ValueError:
            raise RuntimeError(f"{path} is no package") from None
