"""Program key: it differs between programs that differ in any way."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from battery_lab.rllib.threads_and_malloc import torch_threads
from tests.rllib.gradient_step.small_regression import Squares, Trial


@pytest.mark.parametrize("change", ["loss", "network", "buffers", "rows", "threads", "coefficients"])
def test_different_programs_have_different_keys(change):
    trial = Trial()
    first = trial.key
    threads = torch.get_num_threads()
    if change == "loss":
        trial.loss_function.__class__ = type("Cubes", (Squares,), {"__repr__": lambda self: "Cubes()"})
    if change == "network":
        trial.module[1] = nn.ReLU()
    if change == "buffers":
        trial.module.register_buffer("mean", torch.zeros(2))
    if change == "rows":
        trial.batch = {name: values[:8] for name, values in trial.batch.items()}
    if change == "threads":
        threads += 1
    if change == "coefficients":
        trial.coefficients = trial.coefficients | {"more": torch.tensor(1.0)}
    with torch_threads(threads):
        assert trial.key != first
