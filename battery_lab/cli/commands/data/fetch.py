"""battery-lab data fetch: download an operator's prices or forecasts into a folder of files that the lab reads.

    battery-lab data fetch market=aemo location=NSW1 period=2024-01-01/2024-03-31 folder=prices/nsw1
    battery-lab data fetch market=nyiso product=day_ahead location=N.Y.C. period=2024-01-01/2024-03-31 folder=prices/nyc

The market is an operator: aemo (through NEMOSIS), nyiso, caiso, ercot, isone, miso, pjm, spp or ieso (through
gridstatus). Set the packages up with make setup-live. The product is a kind of prices, such as real_time or day_ahead,
and for aemo dispatch, trading, or the forecasts predispatch and p5min; a wrong one lists those of the operator. The
first and the last day of the period are included.

The folder gets a file per day, month or year, and fetch.json with their checksums. The same command again keeps the
files that are there and undamaged, and downloads the others, also after a kill. Days that could not be downloaded are
named at the end, and the exit status is then 1. The command prints the options that read the files.

A key that a server needs (pjm) is taken from an environment variable (PJM_API_KEY), never from the command line.
"""

from __future__ import annotations

from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TimeElapsedColumn
from rich.progress import Progress as Bar

from battery_lab.cli.subcommand_arguments import key_values
from battery_lab.common.errors import ConfigError, DataError
from battery_lab.config.build import build_part
from battery_lab.config.compose import compose
from battery_lab.config.data_options import data_group, data_options
from battery_lab.config.override_text import override, shell_command
from battery_lab.envs.data_fetch_interface import DataFetch, DataFetchingEnvironment, Progress


def main(arguments: list[str]) -> DataFetch:
    """Download, print what was downloaded and return it.

    Raises:
        LabError: an argument is wrong, nothing can be downloaded, or days are missing.
    """
    config = compose([])
    env = build_part(config, "env")
    if not isinstance(env, DataFetchingEnvironment):
        raise ConfigError(f"the environment {type(env).__name__} downloads no data")
    chosen = key_values(arguments, env.fetch_arguments)
    group, _ = data_group(config)
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    bar = Bar(BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), console=console, disable=not console.is_terminal)
    with bar:
        fetch = env.fetch_data(chosen, data_options(config, group), _shown(bar))
    print(fetch.text())
    for step in fetch.next_steps:
        overrides = [override(key, value) for key, value in step.overrides.items()]
        print(f"\n{step.title}\n  {shell_command(['battery-lab', *step.arguments, *overrides])}")
    if fetch.problem:
        repeat = shell_command(["battery-lab", "data", Path(__file__).stem, *arguments])
        raise DataError(f"{fetch.problem}. To download them, repeat the command:\n  {repeat}")
    return fetch


def _shown(bar: Bar) -> Progress:
    """Return a function that moves a bar in a terminal, and prints a line for each file."""
    task = bar.add_task("", total=None)

    def show(done: int, total: int, line: str) -> None:
        bar.update(task, completed=done, total=total)
        bar.console.print(f"{done}/{total} {line}", markup=False)

    return show
