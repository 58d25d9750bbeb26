"""Stands where compiling does: programs that run as they are, and packages that say which of them is meant."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from battery_lab.rollout.compiling import names_of
from battery_lab.rollout.program import Program


class StandIn:
    """A program as a loaded package is one: from all tensors in a row to gradients and figures."""

    def __init__(self, losses, module, batch, coefficients):  # noqa: D107
        self.runs, self.turned = 0, False
        self._program = Program(losses, copy.deepcopy(module))
        self._names = (sorted(coefficients), sorted(batch))
        groups = self._program.arguments(batch, coefficients)
        self._sizes = [len(group) for group in groups]
        self._trained = [tensor.requires_grad for group in groups for tensor in group]
        self.run([tensor.detach() for group in groups for tensor in group])
        self.figures, self.runs = self._program.figures, 0

    def run(self, tensors):
        self.runs += 1
        tensors = [tensor.requires_grad_(wanted) for tensor, wanted in zip(tensors, self._trained, strict=True)]
        places = torch.split_with_sizes(torch.arange(len(tensors)), self._sizes)
        results = self._program(self._names, *[[tensors[place] for place in group] for group in places])
        turned = results[0].t().contiguous().t() if self.turned else results[0]
        return [tensor.detach() for tensor in [turned, *results[1:]]]


class StandIns:
    """A compiler and a loader: a package holds the number of the program that was made for it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: D107
        self.made: list[StandIn] = []
        monkeypatch.setattr("battery_lab.rollout.steps.Compilation", self._compile)
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
