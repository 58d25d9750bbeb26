"""battery-lab sweep retry: run failed or stopped trials again.

    battery-lab sweep retry outputs/sweeps/<sweep>         all trials that failed
    battery-lab sweep retry outputs/sweeps/<sweep> 2 5     trials 2 and 5, which failed or were stopped

If the sweep is running, it starts these trials; otherwise this command resumes the sweep.
"""

from __future__ import annotations

from battery_lab.cli.subcommand_arguments import sweep_folder, trial_number
from battery_lab.sweep.retry import retry


def main(arguments: list[str]) -> None:
    """Run the trials that the arguments name again; all that failed if they name none."""
    folder, rest = sweep_folder("retry", arguments)
    retry(folder, [trial_number(text) for text in rest])
