"""battery-lab sweep status: show the state of each trial of a sweep.

    battery-lab sweep status outputs/sweeps/<sweep>

A trial is waiting, running, done, pruned, stopped or failed. The last column says why a trial failed.
"""

from __future__ import annotations

from battery_lab.cli.subcommand_arguments import refuse_more, sweep_folder
from battery_lab.sweep.status import status


def main(arguments: list[str]) -> None:
    """Print the state of each trial of the sweep folder that the arguments name."""
    folder, rest = sweep_folder("status", arguments)
    refuse_more("status", rest)
    status(folder)
