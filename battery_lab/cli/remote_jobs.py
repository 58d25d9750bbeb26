"""Remote jobs of a sweep: finds the launcher plugin that submitted them."""

from __future__ import annotations

from pathlib import Path

from battery_lab.sweep.interfaces import RemoteJobs


def find_remote_jobs(folder: Path) -> RemoteJobs | None:
    """Return the jobs that a sweep has on another service. None: its trials run on this machine or a cluster.

    A launcher plugin takes part by a static method ``remote_jobs(folder)`` with the same return value.
    """
    from hydra.core.plugins import Plugins
    from hydra.plugins.launcher import Launcher

    for launcher in Plugins.instance().discover(Launcher):
        find = getattr(launcher, "remote_jobs", None)
        jobs: RemoteJobs | None = find(folder) if find else None
        if jobs is not None:
            return jobs
    return None
