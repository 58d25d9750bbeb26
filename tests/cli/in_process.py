"""Trials of a sweep in the process of the test, which sees what they do and may change it."""

from __future__ import annotations

from hydra_plugins.battery_lab_launchers._local_pool import LocalPool
from hydra_plugins.battery_lab_launchers._trial_job import ending, run


class InThisProcess(LocalPool):
    """Runs a trial when it is begun, where tests see what it does."""

    def __init__(self, **options):  # noqa: D107
        super().__init__(**options)
        self.ended = []

    @property
    def is_busy(self):
        return bool(self.ended)

    def start(self, number, folder, job):
        self.ended.append(ending(number, run(job)))

    def wait(self, seconds):
        ended, self.ended = self.ended, []
        return ended
