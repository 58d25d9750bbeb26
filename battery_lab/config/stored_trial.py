"""Stored trial: writes the trial.yaml of a run folder, reads it, applies overrides, and checks a resumed trial."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from omegaconf import DictConfig, OmegaConf

from battery_lab.common.added_options import ACCEPTING_OPTIONS, ADDED_OPTIONS
from battery_lab.common.errors import ConfigError, LabError, damaged
from battery_lab.common.flat_keys import leaves
from battery_lab.common.old_names import current_name
from battery_lab.common.run_folder import RunFolder
from battery_lab.common.trial_digest import CHOICES
from battery_lab.config.compose import compose
from battery_lab.config.hydra_error_messages import no_key
from battery_lab.config.open_mappings import open_mappings
from battery_lab.config.override_kinds import SWEEP_GROUPS, check_groups, group_of, is_group, yaml_value

# Keys that may change when a run is resumed: the budget, and where results are kept. So may options that only accept
# or refuse the data. A change of any other key would make it another trial.
MAY_CHANGE = ("train.", "tracking", "outputs", "resume", "rerun", "sweep.", "rollout.cache")


def store_trial(config: DictConfig, folder: Path) -> None:
    """Write a composed trial, from which `resume=`, `rerun=` and `battery-lab evaluate` compose.

    References between groups are kept, so that a later override of a value applies everywhere.
    """
    stored = config.copy()
    stored.resume = stored.rerun = None
    RunFolder(folder).write_trial(OmegaConf.to_yaml(stored))


def note_choices(config: DictConfig, chosen: Mapping[str, str | None]) -> None:
    """Record in a trial which options it was composed from; a stored trial has that record already.

    Args:
        config: the trial, which is changed.
        chosen: options by group. Groups of Hydra and of the sweep, and options placed elsewhere with ``@``, are left
            out.
    """
    own = {
        str(group): option
        for group, option in chosen.items()
        if option is not None and "@" not in group and not group.startswith("hydra/") and group not in SWEEP_GROUPS
    }
    if own:
        OmegaConf.update(config, CHOICES, own, force_add=True)


def load_trial(run: Path, name: str = "run") -> DictConfig:
    """Read the trial of a run folder.

    Args:
        run: the run folder.
        name: the argument that names it, for the message.

    Raises:
        ConfigError: the folder holds no trial.
        DataError: it is damaged.
    """
    path = RunFolder(run).trial
    if not path.is_file():
        raise ConfigError(f"{name}={run} must name a run folder that holds {path.name}, and it holds none")
    try:
        stored = OmegaConf.load(path)
    except Exception as error:  # Errors of YAML, decoding and the disk have no common class.
        raise damaged(path, error) from None
    if not isinstance(stored, DictConfig) or not stored:
        raise damaged(path, "it holds no trial")
    update_parts(stored)
    return stored


def update_parts(config: DictConfig) -> None:
    """Replace each ``_target_`` of an earlier version by the current name, and add options that its class lacked."""
    for path, name in leaves(OmegaConf.to_container(config, resolve=False)).items():
        part, _, key = path.rpartition(".")
        if key == "_target_":
            current = current_name(str(name))
            OmegaConf.update(config, path, current)
            for option, value in ADDED_OPTIONS.get(current, {}).items():
                if option not in OmegaConf.select(config, part):
                    OmegaConf.update(config, f"{part}.{option}", value, force_add=True)


def trial(run: Path, overrides: list[str]) -> DictConfig:
    """Return a run's stored trial with overrides applied.

    A given mapping is merged with the stored one; ``~market.columns.demand_mw`` removes a key of it.

    Raises:
        ConfigError: the folder holds no trial, or an override names a key or option that does not exist.
        DataError: the trial is damaged.
    """
    stored = load_trial(run)
    OmegaConf.set_struct(open_mappings(stored), True)
    # As on the command line of a training, a plus changes nothing, and ~ needs no value.
    overrides = [o.partition("=")[0] if o.startswith("~") else o.lstrip("+") for o in overrides]
    check_groups(overrides)
    rest = list(overrides)
    for override in (o for o in overrides if is_group(o)):
        group = group_of(override)
        inside = [o for o in rest if o.lstrip("~").startswith(f"{group}.")]
        chosen = compose([override, *inside])[group]
        OmegaConf.update(stored, group, OmegaConf.to_container(chosen, resolve=False), merge=False, force_add=True)
        if CHOICES in stored:
            OmegaConf.update(stored, f"{CHOICES}.{group}", yaml_value(override), force_add=True)
        rest = [o for o in rest if o != override and o not in inside]
    for override in rest:
        key = override.partition("=")[0]
        if key.startswith("~"):
            _remove(key.lstrip("~"), stored)
        else:
            _check_exists(key, stored)
            OmegaConf.update(stored, key, yaml_value(override), merge=True)
    return stored


def _remove(key: str, stored: DictConfig) -> None:
    """Remove a key from a mapping that users fill, such as ``market.columns``."""
    parent, _, name = key.rpartition(".")
    above = OmegaConf.select(stored, parent) if parent else stored
    if not isinstance(above, DictConfig) or name not in above:
        raise ConfigError(no_key(key, cast(dict[str, Any], OmegaConf.to_container(stored, resolve=False))))
    if OmegaConf.is_struct(above):
        raise ConfigError(f"~{key} must name a key of your own, as in market.columns, got an option: set it instead")
    del above[name]


def _check_exists(key: str, stored: DictConfig) -> None:
    parent, _, name = key.rpartition(".")
    above = OmegaConf.select(stored, parent) if parent else stored
    if not isinstance(above, DictConfig) or (name not in above and OmegaConf.is_struct(above)):
        raise ConfigError(no_key(key, cast(dict[str, Any], OmegaConf.to_container(stored, resolve=False))))


def _is_accepting(key: str, values: Mapping[str, Any]) -> bool:
    """Return whether a key is an option that only accepts or refuses the data."""
    part, _, option = key.rpartition(".")
    return option in ACCEPTING_OPTIONS.get(str(values.get(f"{part}._target_")), ())


def check_resumed(config: DictConfig, folder: Path) -> None:
    """Raise LabError where a resumed run would become another trial."""
    trials = (load_trial(folder), config)
    stored, resumed = (leaves(OmegaConf.to_container(trial, resolve=False)) for trial in trials)
    changed = sorted(key for key in stored.keys() | resumed.keys() if stored.get(key) != resumed.get(key))
    changed = [key for key in changed if not key.startswith(MAY_CHANGE) and not _is_accepting(key, stored)]
    if changed:
        keys = " and ".join(changed)
        raise LabError(
            f"{keys} cannot change with resume=, which resumes the same trial (train.* and tracking.* may change): "
            f"leave {keys} out, or start another trial with rerun={folder} {changed[0]}=..."
        )
