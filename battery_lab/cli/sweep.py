"""`battery-lab sweep`: look at a sweep, or mend it, from another shell.

    battery-lab sweep status outputs/sweeps/<sweep>           what its trials are at
    battery-lab sweep retry outputs/sweeps/<sweep> [2 5]      try failed trials again (2 and 5; all of them)
    battery-lab sweep collect outputs/sweeps/<sweep>          what came out, as results.csv in the folder
    battery-lab sweep logs outputs/sweeps/<sweep> 2           what trial 2 printed, or prints

A sweep that goes on takes up what retry asks for; one that does not is gone on with here. Of jobs elsewhere, collect
first brings home what is done.
"""

from __future__ import annotations

from pathlib import Path

from battery_lab.cli.runner import command
from battery_lab.common.errors import ConfigError

VERBS = ("status", "retry", "collect", "logs")


def main(arguments: list[str] | None = None) -> None:
    """Run the command."""
    command(_run, __doc__, arguments)


def _run(arguments: list[str]) -> None:
    verb, *rest = arguments
    if verb not in VERBS:
        raise ConfigError(f"{verb} is no command: .sweep does {', '.join(VERBS)}, each with the folder of a sweep")
    if not rest:
        raise ConfigError(f"{verb} wants the folder of a sweep: battery-lab sweep {verb} outputs/sweeps/<sweep>")
    from battery_lab.sweep import commands

    folder = Path(rest[0]).expanduser()
    numbers = [_number(text) for text in rest[1:]]
    if verb == "logs":
        if len(numbers) != 1:
            raise ConfigError(
                f"logs wants the folder of a sweep and the number of one trial, got {len(numbers)} numbers"
            )
        commands.logs(folder, numbers[0])
        return
    if numbers and verb != "retry":
        raise ConfigError(f"{verb} takes a folder alone, got {' '.join(rest[1:])} too")
    if verb == "retry":
        commands.retry(folder, numbers)
    else:
        getattr(commands, verb)(folder)


def _number(text: str) -> int:
    if not text.isdecimal():
        raise ConfigError(f"{text} must be the number of a trial: retry takes a folder and then numbers")
    return int(text)


if __name__ == "__main__":
    main()
