"""battery-lab sweep logs: print the log of a trial.

    battery-lab sweep logs outputs/sweeps/<sweep> 2

The log of a job elsewhere is followed until the job ends.
"""

from __future__ import annotations

from battery_lab.cli.remote_jobs_lookup import find_remote_jobs
from battery_lab.cli.subcommand_arguments import sweep_folder, trial_number
from battery_lab.common.errors import ConfigError
from battery_lab.sweep.logs import logs


def main(arguments: list[str]) -> None:
    """Print the log of the trial that the arguments name, after the folder of its sweep."""
    folder, rest = sweep_folder("logs", arguments)
    if len(rest) != 1:
        raise ConfigError(f"logs needs the folder of a sweep and the number of one trial, got {len(rest)} numbers")
    logs(folder, trial_number(rest[0]), find_remote_jobs(folder))
