"""battery-lab sweep collect: write the results of all trials to results.csv in the sweep folder.

    battery-lab sweep collect outputs/sweeps/<sweep>

If trials run as jobs elsewhere, the results of finished jobs are downloaded first.
"""

from __future__ import annotations

from battery_lab.cli.remote_jobs_lookup import find_remote_jobs
from battery_lab.cli.subcommand_arguments import refuse_more, sweep_folder
from battery_lab.sweep.collect import collect


def main(arguments: list[str]) -> None:
    """Download the results of finished jobs, and write results.csv into the sweep folder that the arguments name."""
    folder, rest = sweep_folder("collect", arguments)
    refuse_more("collect", rest)
    collect(folder, find_remote_jobs(folder))
