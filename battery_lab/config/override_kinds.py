"""Override kinds: an option of a group, a value, a sweep over either; and which overrides change results."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Glob, IntervalSweep, Override, RangeSweep, Sweep, ValueType
from hydra.errors import HydraException

from battery_lab.common.errors import ConfigError
from battery_lab.config.conf_folder import conf_dir
from battery_lab.config.hydra_error_messages import no_option, several_values_message

MOST_TRIALS = 100_000
# Groups that configure the sweep as a whole, and where results are kept: all trials of a sweep share them.
SWEEP_GROUPS = ("launcher", "sweeper", "sweep")
SHARED = (*SWEEP_GROUPS, "tracking", "outputs")
# Overrides that do not change what a sweep computes: launcher, retries, tracking, outputs. Two launcher options do
# change it: they start trials from a checkpoint, or evaluate only.
NO_EFFECT_ON_RESULTS = re.compile(
    r"^[+~]*(?!hydra\.launcher\.(checkpoint|evaluate_only)=)(launcher|sweep|hydra|tracking|outputs)([.=@/]|$)"
)


def is_group(override: str) -> bool:
    """Return whether an override chooses an option of a group rather than a value."""
    group = group_of(override)
    return "=" in override and "." not in group and group != "" and (conf_dir() / group).is_dir()


def group_of(override: str) -> str:
    """Return the group that an override chooses an option of."""
    return override.partition("=")[0].lstrip("+~").partition("@")[0]


def check_groups(overrides: Sequence[str], sweep: bool = False) -> None:
    """Raise ConfigError where a group is given something that cannot be an option; Hydra's own message is unclear.

    Args:
        overrides: overrides, as on the command line.
        sweep: whether a group may have several options, one per trial.
    """
    for override in overrides:
        if is_group(override) and not override.startswith("~"):
            for option in _options(override) if sweep else [override.partition("=")[2]]:
                value = yaml_value(f"{group_of(override)}={option}")
                for name in value if isinstance(value, list) else [value]:
                    if not isinstance(name, str):
                        raise ConfigError(no_option(f"{group_of(override)}/{option}"))


def check_ranges(overrides: Sequence[str]) -> None:
    """Raise ConfigError where a range has more values than a sweep may have trials; Hydra would list them all."""
    for override in overrides:
        parsed = _parsed(override) if "range" in override else None
        value = parsed.value() if parsed else None
        if isinstance(value, RangeSweep) and value.start is not None and value.stop is not None and value.step:
            values = (float(value.stop) - float(value.start)) / float(value.step)
            if not values <= MOST_TRIALS:
                raise ConfigError(
                    f"{override} must have at most {MOST_TRIALS:,} values, got {values:,.0f}: choose fewer"
                )


def check_one_each(overrides: Sequence[str]) -> None:
    """Raise ConfigError where a sweep varies what all its trials share."""
    for override in overrides:
        key = override.partition("=")[0].lstrip("+~")
        if key.partition("@")[0].partition(".")[0] in SHARED and (options := _options(override))[1:]:
            raise ConfigError(
                f"{override} cannot be swept, as all trials of a sweep share one {key}: choose one of {options}"
            )


def yaml_value(override: str) -> Any:
    """Return the value of an override as Hydra reads it, or its text if Hydra cannot read it.

    Raises:
        ConfigError: it has several values.
    """
    parsed = _parsed(override)
    if parsed is None:
        return override.partition("=")[2]
    if parsed.is_sweep_override():
        simple = parsed.value_type == ValueType.SIMPLE_CHOICE_SWEEP
        raise ConfigError(several_values_message(override, listed=simple and not is_group(override)))
    return parsed.value()


def own_choices(overrides: Sequence[str]) -> list[str]:
    """Return the overrides that define what a sweep computes."""
    return [override for override in overrides if not NO_EFFECT_ON_RESULTS.match(override)]


def choices_of_trials(overrides: Sequence[str]) -> list[str]:
    """Return the overrides that define what trials compute, without the sweeper that combines them."""
    return [override for override in own_choices(overrides) if not override.lstrip("+").startswith("sweeper=")]


def _options(override: str) -> list[str]:
    """Return the options that an override sweeps over."""
    parsed = _parsed(override)
    value = parsed.value() if parsed else None
    # An interval is a space to search, and has no options to list.
    if parsed is None or not isinstance(value, Sweep | Glob) or isinstance(value, IntervalSweep):
        return [override.partition("=")[2]]
    # A pattern selects existing options, so all are valid.
    return [] if isinstance(value, Glob) else list(parsed.sweep_string_iterator())


def _parsed(override: str) -> Override | None:
    try:
        return OverridesParser.create().parse_override(override)
    except HydraException:
        return None
