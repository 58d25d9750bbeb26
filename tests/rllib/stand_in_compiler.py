"""Stand-ins for compiled programs: traced programs, and packages that hold the number of one."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from torch.fx.experimental.proxy_tensor import make_fx

from battery_lab.rllib.gradient_step.gradient_program import GradientProgram
from battery_lab.rllib.gradient_step.program_cache_lock_and_cleanup import metric_names_path


class StandIn:
    """A traced program with the interface of a loaded package: from a flat list of tensors to gradients and metrics."""

    def __init__(self, loss_function, module, batch, coefficients):
        self.runs, self.transposes = 0, False
        program, names = GradientProgram(loss_function, copy.deepcopy(module)), (sorted(coefficients), sorted(batch))
        groups = program.arguments(batch, coefficients)
        # Traced as for compilation, so that what cannot be traced fails here too.
        self._graph = make_fx(lambda *groups: program(names, *groups))(*groups)
        self._sizes, self.metric_names = [len(group) for group in groups], program.metric_names

    def run(self, tensors):
        self.runs += 1
        remaining = iter(tensors)
        with torch.no_grad():
            results = self._graph(*[[next(remaining) for _ in range(size)] for size in self._sizes])
        first = results[0].t().contiguous().t() if self.transposes else results[0]
        return [first, *results[1:]]


class StandIns:
    """A compiler and a loader for stand-ins.

    Attributes:
        made: the programs in the order of their compilation.
        threads: the number of threads of each.
        ready: answers whether a package exists.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.made: list[StandIn] = []
        self.threads: list[int] = []
        self.ready: Callable[[], bool] = lambda: True
        monkeypatch.setattr("battery_lab.rllib.gradient_step.gradient_steps.Compilation", self._compile)
        monkeypatch.setattr("torch._C._aoti.AOTIModelPackageLoader", self._load)

    def _compile(self, package, loss_function, module, batch, coefficients, threads, urgent):
        made = StandIn(loss_function, module, batch, coefficients)
        package.parent.mkdir(parents=True, exist_ok=True)
        metric_names_path(package).write_text(json.dumps(made.metric_names))
        package.write_text(str(len(self.made)))
        self.made.append(made)
        self.threads.append(threads)
        return SimpleNamespace(ready=self.ready, wait=lambda: None, close=lambda: None)

    def _load(self, path, *options):
        try:
            return self.made[int(Path(path).read_text())]
        except ValueError:
            raise RuntimeError(f"{path} is no package") from None
