"""A local pool that runs trials in the process of the test, where the test can patch and observe them."""

from __future__ import annotations

from hydra_plugins.battery_lab_launchers._local_pool import LocalPool
from hydra_plugins.battery_lab_launchers._trial_job import read_outcome, run_trial_job


class InThisProcess(LocalPool):
    """Runs each trial at once, in this process."""

    def __init__(self, options):
        super().__init__(options)
        self.outcomes = []

    @property
    def is_busy(self):
        return bool(self.outcomes)

    def start(self, number, folder, job):
        self.outcomes.append(read_outcome(number, run_trial_job(job)))

    def wait(self, seconds):
        outcomes, self.outcomes = self.outcomes, []
        return outcomes
