"""Small runs: experiments of seconds, with a tracker that keeps their status."""

from __future__ import annotations

import os
from dataclasses import replace
from types import SimpleNamespace

from rich.console import Console

from battery_lab.cli.build_experiment import build_experiment
from battery_lab.experiment.experiment import Experiment
from tests.compositions import small, store, write_market


class StatusTracker:
    """Records the final status of runs by folder."""

    def __init__(self):
        self.statuses = {}

    def start(self, folder, name, config):
        return SimpleNamespace(log=lambda *_: None, finish=lambda status: self.statuses.update({folder: status}))


TRACKER = StatusTracker()


def console():
    return Console(file=open(os.devnull, "w"))  # noqa: SIM115


def run(folder, algo, *overrides, resume=False) -> dict[str, float]:
    config = small(folder.parent / f"data_{algo}", algo, *overrides)
    folder.mkdir(exist_ok=True)
    store(config, folder)
    experiment: Experiment = replace(build_experiment(config), tracking=TRACKER)
    return experiment.run(folder, resume=resume, console=console())


def other_prices(folder):
    """Write another market of the same length."""
    return next(choice for choice in write_market(folder, seed=5) if choice.startswith("market.path=")).split("=")[1]
