"""battery-lab data check: find out how to read price files, and whether a trial can be trained on them.

    battery-lab data check prices/
    battery-lab data check 'prices/*.csv' market.region=NSW1
    battery-lab data check prices.csv market=table market.currency=EUR --json

The path is a file, a folder or a glob. The command finds the market option that reads the files (or takes market=...)
and its values. It prints what it found, the quality of the prices, whether they suffice for training, validation and
test, and the command that trains on them. Overrides of the market, the environment and others are taken as they are.

The report is written to outputs/data_checks/<name>/report.json, with a picture of the prices in prices.png. With
--json, only the report is printed, also if nothing reads the files. The exit status is 1 if no trial can be trained on
the files as they are; then `readable` in the report says whether they can be read, and `problem` what is wrong.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from battery_lab.cli.subcommand_arguments import folder
from battery_lab.common.atomic_write import atomic_write
from battery_lab.common.errors import ConfigError, DataError
from battery_lab.config.build import build_part
from battery_lab.config.compose import compose
from battery_lab.config.data_options import data_group, data_options
from battery_lab.config.override_kinds import group_of, yaml_value
from battery_lab.config.override_text import override, shell_command
from battery_lab.envs.data_check_interface import DataCheck, DataCheckingEnvironment

FOLDER, REPORT, PICTURE = "data_checks", "report.json", "prices.png"
JSON = "--json"
OVERRIDE = re.compile(r"[+~]*[a-zA-Z_][\w./@]*=")


def main(arguments: list[str]) -> dict[str, Any]:
    """Check files, print the result and return it.

    Raises:
        LabError: there is no such file, one cannot be read, nothing recognises the files, or an override is wrong.
        SystemExit: no trial can be trained on the files as they are.
    """
    path, typed = _path_and_overrides([argument for argument in arguments if argument != JSON])
    environment = [item for item in typed if group_of(item) == "env"]
    config = compose(environment)
    group, key = data_group(config)
    own = [item for item in typed if _is_of(item, group)]
    others = [item for item in typed if item not in own]
    config = config if others == environment else compose(others)
    env = build_part(config, "env")
    if not isinstance(env, DataCheckingEnvironment):
        raise ConfigError(f"the environment {type(env).__name__} cannot check data files: choose another with env=...")
    chosen, given = _own_values(own, group, key)
    as_json = JSON in arguments
    try:
        check = env.check_data(path, data_options(config, group), chosen, given)
    except DataError as error:
        if not as_json:
            raise
        print(json.dumps({"path": path, "readable": False, "problem": str(error)}, indent=1))
        sys.exit(1)
    place = folder(str(config.outputs)) / FOLDER / check.name
    report = _report(check, own, others, place)
    place.mkdir(parents=True, exist_ok=True)
    atomic_write(place / REPORT, json.dumps(report, indent=1))
    _print(check, report, place, as_json=as_json)
    if check.problem:
        sys.exit(1)
    return report


def _path_and_overrides(arguments: Sequence[str]) -> tuple[str, list[str]]:
    """Return the path, which may look like an override if such a file exists, and the overrides."""
    paths = [item for item in arguments if not OVERRIDE.match(item) and item[:1] not in "+~"]
    paths = paths or [item for item in arguments if Path(item).expanduser().exists()]
    if len(paths) != 1:
        given = f"got {' '.join(paths)}; quote a glob" if paths else "for instance battery-lab data check prices/"
        raise ConfigError(f"data check needs one path, of a file, a folder or a glob, besides key=value: {given}")
    rest = [item for item in arguments if item != paths[0]]
    flags = [item for item in rest if item.startswith("-")]
    if flags:
        raise ConfigError(f"{flags[0]} is not an argument of battery-lab data check, which has {JSON}")
    return paths[0], rest


def _is_of(typed: str, group: str) -> bool:
    name = typed.partition("=")[0].lstrip("+~")
    return name == group or name.startswith(f"{group}.")


def _own_values(own: Sequence[str], group: str, key: str) -> tuple[str | None, dict[str, Any]]:
    """Return the option that is chosen in a group, and its values; a value of a mapping may be given by its key."""
    chosen, values = None, dict[str, Any]()
    for typed in own:
        name, _, _ = typed.partition("=")
        if typed.startswith("~"):
            raise ConfigError(f"{typed} removes nothing here: battery-lab data check begins with the defaults")
        name, value = name.lstrip("+"), yaml_value(typed.lstrip("+"))
        if name == group:
            chosen = str(value)
        elif name == key:
            raise ConfigError(f"{typed} cannot be combined with the path that is checked: leave one out")
        else:
            first, *rest = name.removeprefix(f"{group}.").split(".", 1)
            if rest:
                values[first] = {**values.get(first, {}), rest[0]: value}
            else:
                values[first] = value
    return chosen, values


def _report(check: DataCheck, own: Sequence[str], others: Sequence[str], place: Path) -> dict[str, Any]:
    """Return the facts with the command. What was typed stays as it was typed, unless it does not fit the data."""
    typed = {item.partition("=")[0].lstrip("+") for item in own}
    found = [
        override(key, value)
        for key, value in check.overrides.items()
        if key not in typed and not any(name.startswith(f"{key}.") for name in typed)
    ]
    picture = place / PICTURE
    place.mkdir(parents=True, exist_ok=True)
    overrides = [*found, *own, *(item for item in others if item.partition("=")[0].lstrip("+") not in check.overrides)]
    return {
        **_plain(check.facts()),
        "overrides": overrides,
        "command": shell_command(["battery-lab", *overrides]),
        "picture": str(picture) if check.draw(picture) else None,
    }


def _plain(facts: Mapping[str, Any]) -> dict[str, Any]:
    plain: dict[str, Any] = json.loads(json.dumps(facts))
    return plain


def _print(check: DataCheck, report: Mapping[str, Any], place: Path, as_json: bool) -> None:
    if as_json:
        print(json.dumps(report, indent=1))
        return
    print(check.text())
    head = "To train on these prices" if not check.problem else "What reads these files, once the problem is solved"
    print(f"\n{head}\n  {report['command']}")
    written = place / REPORT if report["picture"] is None else f"{place / REPORT}, with the picture {report['picture']}"
    print(f"\nwritten to {written}")
