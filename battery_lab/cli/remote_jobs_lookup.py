"""Lookup of a sweep's remote jobs, through the launcher plugin that submitted them."""

from __future__ import annotations

from pathlib import Path

from battery_lab.sweep.interfaces import RemoteJobs, RemoteLauncher


def find_remote_jobs(folder: Path) -> RemoteJobs | None:
    """Return the jobs that a sweep has on another service. None: its trials run on this machine or a cluster."""
    from hydra.core.plugins import Plugins
    from hydra.plugins.launcher import Launcher

    for launcher in Plugins.instance().discover(Launcher):
        if issubclass(launcher, RemoteLauncher) and (jobs := launcher.remote_jobs(folder)) is not None:
            return jobs
    return None
