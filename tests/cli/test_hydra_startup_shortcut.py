"""Hydra startup shortcut: it is taken where flags decide the run mode, and not where options may."""

from __future__ import annotations

import hydra
import pytest
from hydra import initialize_config_dir
from hydra._internal.hydra import Hydra
from hydra.core.global_hydra import GlobalHydra
from hydra.types import RunMode

from battery_lab.cli.hydra_startup_shortcut import GROUPS, HYDRA_VERSION, flags_decide_the_run_mode
from battery_lab.config.compose import register_resolvers
from battery_lab.config.conf_folder import conf_dir


def test_the_adapter_is_for_this_version_of_hydra():
    assert hydra.__version__.startswith(HYDRA_VERSION), "compare Hydra.get_mode with hydra_startup_shortcut"


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["seed=1", "battery.power_mw=5", "outputs=/some/where", "+algo.more=1"],
        ["--multirun", "seed=1,2", "algo=ppo,dqn", "launcher.parallel=2"],
        ["algo=ppo", "+reward/term=[exploration]", "env=battery"],
    ],
)
def test_nothing_is_composed_to_find_the_mode(arguments):
    original = Hydra.get_mode
    with flags_decide_the_run_mode(arguments):
        assert Hydra.get_mode(None, config_name="config", overrides=arguments) is None
    assert Hydra.get_mode is original


@pytest.mark.parametrize(
    "argument",
    [
        *("sweeper=tune", "launcher=ray", "+experiment=own", "sweep=own", "hydra.mode=MULTIRUN"),
        *("--config-dir=own", "-cn", "hydra.searchpath=[own]", "++hydra.sweep.dir=x", "experiment@_global_=own"),
        *("algo=own", "algo=ppo,own", "algo@_global_=ppo", "algo=choice(ppo,own)", "+own=option", "own/group=option"),
        *("/algo=ppo", "algo=null", "algo=", "~algo", "../algo=ppo"),
    ],
)
def test_hydra_looks_itself_where_an_argument_may_set_the_mode(argument):
    original = Hydra.get_mode
    with flags_decide_the_run_mode(["seed=1", argument]):
        assert Hydra.get_mode is original


def test_the_mode_is_restored_after_an_error():
    original = Hydra.get_mode
    with pytest.raises(ValueError, match="stop"), flags_decide_the_run_mode([]):
        raise ValueError("stop")
    assert Hydra.get_mode is original


def test_no_other_option_of_the_lab_sets_the_mode():
    files = {path.relative_to(conf_dir()) for path in conf_dir().rglob("*.yaml") if "\n  mode:" in path.read_text()}
    assert {file.parts[0] for file in files} <= set(GROUPS)


def test_a_users_option_that_sets_the_mode_starts_a_sweep(tmp_path):
    """The options are in a folder on Hydra's search path, and only they ask for a sweep."""
    (tmp_path / "train").mkdir()
    text = "# @package _global_\ndefaults: [default@train]\nhydra: {mode: MULTIRUN}\n"
    (tmp_path / "train" / "own.yaml").write_text(text)
    arguments = [f"hydra.searchpath=[{tmp_path}]", "train=own"]
    with initialize_config_dir(str(conf_dir()), version_base="1.3"), flags_decide_the_run_mode(arguments):
        register_resolvers()
        lab = Hydra("battery_lab", GlobalHydra.instance().config_loader())
        assert lab.get_mode("config", arguments) == RunMode.MULTIRUN
