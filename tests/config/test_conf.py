"""Every option of conf/ composes into a trial, builds, and is explained in its own YAML."""

from __future__ import annotations

import dataclasses
import re
from contextlib import suppress
from functools import cache
from itertools import zip_longest
from typing import Any, get_type_hints

import pytest
from hydra import compose as hydra_compose
from hydra import initialize_config_dir
from hydra.utils import get_object
from omegaconf import DictConfig, OmegaConf
from pydantic import ConfigDict, TypeAdapter, ValidationError

from battery_lab.cli.build_experiment import build_experiment
from battery_lab.common.errors import ConfigError
from battery_lab.config.build import build, build_part, resolve
from battery_lab.config.compose import compose
from battery_lab.config.conf_folder import conf_dir
from tests.compositions import part

CONF = conf_dir()
FILES = sorted(path.relative_to(CONF).as_posix() for path in CONF.rglob("*.yaml"))
OPTIONS = [name.removesuffix(".yaml") for name in FILES if "/" in name]
# Values for the fields that a YAML leaves to the user (???); a field gets the first one that it accepts.
CANDIDATES = ("EUR", "Europe/Berlin", 1, 1.0, True, ["EUR"], {"name": "EUR"})


@cache
def trials() -> dict[str, list[str]]:
    """Return overrides by the options that they choose: as many options per trial as can be combined, for speed."""
    groups: dict[str, list[str]] = {}
    for option in OPTIONS:
        groups.setdefault(option.rpartition("/")[0], []).append(option)
    # An experiment chooses options of its own; so may an environment, of which another has other groups.
    alone = [option for group in ("experiment", "env") for option in groups.pop(group)]
    together = zip_longest(*(options for group, options in groups.items() if not environment_with(group)))
    others = [option for group, options in groups.items() if environment_with(group) for option in options]
    batches = [
        *([option for option in batch if option] for batch in together),
        *([option] for option in alone + others),
    ]
    return {" ".join(batch): [override for option in batch for override in overrides_of(option)] for batch in batches}


def overrides_of(option: str) -> list[str]:
    group, _, name = option.rpartition("/")
    choices = {"reward/term": f"+reward/term=[{name}]", "baseline": f"+baseline@env.baselines.chosen={name}"}
    return [*environment_with(group), choices.get(group, f"{group}={name}")]


@cache
def composed(chosen: str) -> DictConfig:
    """Return the trial of some options, with a value for each field that the user must set."""
    config = compose(trials()[chosen])
    for key in sorted(OmegaConf.missing_keys(config)):
        place, _, field = key.rpartition(".")
        target = get_object(OmegaConf.select(config, place)._target_)
        OmegaConf.update(config, key, accepted(get_type_hints(target, include_extras=True)[field]))
    return config


@cache
def environment_with(group: str) -> list[str]:
    """Return the choice of an environment that has a group, if only environments other than the default have it."""
    if group in chosen_groups():
        return []
    environments = [f"env={path.stem}" for path in sorted((CONF / "env").glob("*.yaml"))]
    return [choice for choice in environments if group in chosen_groups(choice)][:1]


@cache
def chosen_groups(*choices: str) -> frozenset[str]:
    """Return the groups of which a trial has an option."""
    with initialize_config_dir(str(CONF), version_base="1.3"):
        return frozenset(hydra_compose("config", list(choices), return_hydra_config=True).hydra.runtime.choices)


def accepted(kind: Any) -> object:
    """Return a candidate that fits the type of a field."""
    rule = TypeAdapter(kind, config=ConfigDict(strict=True))
    for candidate in CANDIDATES:
        with suppress(ValidationError):
            rule.validate_python(candidate)
            return candidate
    raise AssertionError(f"no candidate fits {kind}: add one to CANDIDATES")


def targets(node: object) -> list[str]:
    if isinstance(node, dict):
        return [*([node["_target_"]] if "_target_" in node else []), *(t for v in node.values() for t in targets(v))]
    return [t for item in node for t in targets(item)] if isinstance(node, list) else []


def test_the_defaults_compose_and_build():
    experiment = build_experiment(compose([]))
    assert type(experiment.algo).__name__ == "PPO"
    assert experiment.train.env_steps == 2_000_000
    assert experiment.seed == 0


def test_every_option_is_in_a_trial():
    assert sorted(option for chosen in trials() for option in chosen.split()) == OPTIONS


@pytest.mark.parametrize("chosen", trials(), ids=str)
def test_every_option_composes_into_a_trial_and_builds(chosen: str):
    config = composed(chosen)
    experiment = build_experiment(config)
    assert experiment.config == resolve(config)
    assert all(dataclasses.is_dataclass(part) for part in (experiment.env, experiment.algo, experiment.network))


@pytest.mark.parametrize("chosen", trials(), ids=str)
def test_every_target_is_a_frozen_keyword_only_dataclass_without_defaults(chosen: str):
    for name in set(targets(resolve(composed(chosen)))):
        target = get_object(name)
        assert target.__dataclass_params__.frozen, name
        for field in dataclasses.fields(target):
            assert field.kw_only, f"{name}.{field.name}"
            nowhere = (field.default, field.default_factory)
            assert nowhere == (dataclasses.MISSING, dataclasses.MISSING), f"{name}.{field.name} has a default in Python"


@pytest.mark.parametrize("file", FILES)
def test_every_key_of_a_yaml_is_explained(file: str):
    assert unexplained((CONF / file).read_text()) == []


def unexplained(text: str) -> list[str]:
    """Return the keys with a value that no comment explains: behind them, above them, or by name in the header."""
    lines = text.splitlines()
    header = " ".join(line for line in lines[: next((i for i, x in enumerate(lines) if x[:1] != "#"), 0)])
    missing, block = [], None
    for place, line in enumerate(lines):
        found = re.match(r"( *)(\w+):(?: (.*))?$", line)
        depth = len(line) - len(line.lstrip())
        if not line:
            continue
        if block is not None and depth > block:
            continue
        block = None
        if not found or found[2].startswith("_"):
            continue
        if found[2] in ("defaults", "hydra") and not found[1]:
            block = 0
            continue
        following = lines[place + 1] if place + 1 < len(lines) else ""
        if not found[3] and re.match(r" *\w+:", following):
            continue
        above = place > 0 and lines[place - 1].lstrip().startswith("#")
        if "#" not in line and not above and not re.search(rf"\b{found[2]}\b", header):
            missing.append(found[2])
    return missing


def test_a_key_without_a_comment_is_found():
    assert unexplained("# A thing of some size.\nsize: 3\nweight: 4\nparts:\n  depth: 5  # m\n  colour: 6\n") == [
        "weight",
        "colour",
    ]


@pytest.mark.parametrize("file", FILES)
def test_no_part_is_a_partial_function(file: str):
    assert "_partial_" not in (CONF / file).read_text()


@pytest.mark.parametrize("file", FILES)
def test_every_option_has_a_header_comment(file: str):
    """An option of one group may leave that to its keys."""
    named = {"algo/", "baseline/", "network/", "train/"}
    first = (CONF / file).read_text().splitlines()[0]
    assert first.startswith("#") or file.startswith(tuple(named))


# --- references between groups ---


def test_a_value_of_the_battery_reaches_the_environment():
    config = compose(["battery.wear_per_mwh=3", "battery.power_mw=7"])
    env = part(config, "env")
    assert (env.battery.wear_per_mwh, env.battery.power_mw) == (3, 7)


def test_another_market_replaces_the_default_of_the_environment():
    env = part(compose(["market=aemo", "market.path=prices/", "env.price_lag=1"]), "env")
    assert type(env.market).__name__ == "AemoMarket"
    assert env.price_lag == 1


def test_a_term_in_the_reward_reaches_the_environment():
    env = part(compose(["reward=revenue", "+reward/term=[soc_limit]", "reward.terms.soc_limit.weight=2"]), "env")
    assert set(env.reward.terms) == {"revenue", "soc_limit"}
    assert env.reward.terms["soc_limit"].weight == 2


def test_baselines_can_be_removed_and_added():
    slow = ["~env.baselines.random", "+baseline@env.baselines.slow_rule=rule", "env.baselines.slow_rule.window_days=28"]
    env = part(compose(slow), "env")
    assert "random" not in env.baselines
    assert env.baselines["slow_rule"].window_days == 28


@pytest.mark.parametrize("algo", ["ppo", "dqn", "sac"])
def test_the_budget_can_be_chosen_for_every_algorithm(algo: str):
    config = compose([f"algo={algo}", "train.env_steps=12345", "+reward/term=[exploration]"])
    experiment = build_experiment(config)
    assert experiment.train.env_steps == 12345
    assert experiment.env.reward.terms["exploration"].anneal_steps == 12345


def test_a_whole_number_may_be_written_as_a_power_of_ten():
    experiment = build_experiment(compose(["train.env_steps=2e6", "algo.num_envs=1e2", "+reward/term=[exploration]"]))
    given = (experiment.train.env_steps, experiment.algo.num_envs, experiment.env.reward.terms["exploration"])
    assert [type(value) for value in given[:2]] == [int, int]
    assert experiment.config["train"]["env_steps"] == 2_000_000
    assert given[2].anneal_steps == 2_000_000


# --- wrong values ---


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("train.env_steps=abc", "train.env_steps must be a whole number, 1 or more, got 'abc'"),
        ("train.env_steps=2.5", "train.env_steps must be a whole number, 1 or more, got 2.5"),
        ("train.env_steps=true", "train.env_steps must be a whole number, 1 or more, got True"),
        ("train.env_steps=inf", "train.env_steps must be a whole number, 1 or more, got inf"),
        ("train.env_steps=0", "train.env_steps must be a whole number, 1 or more, got 0"),
        ("battery.power_mw=ten", "battery.power_mw must be greater than 0 MW, got 'ten'"),
        ("battery.soc_start=null", "battery.soc_start must be from 0 to 1, got None"),
        ("algo.gae_lambda=[1]", r"algo.gae_lambda must be from 0 to 1, got \[1\]"),
        ("network.hidden=64", "network.hidden must be a list of .*, each item a whole number from 1 to 8192, got 64"),
        (
            "network.hidden=[64,x]",
            r"network.hidden must be a list of .*, each item a whole number from 1 to 8192, got \[64, 'x'\]",
        ),
        ("network.shared_value=yes please", "network.shared_value must be true or false, got 'yes please'"),
        ("network.activation=3", "network.activation must be one of relu, tanh, silu, gelu, elu, got 3"),
        ("seed=-1", "seed must be a whole number, 0 or more, got -1"),
        ("seed=one", "seed must be a whole number, 0 or more, got 'one'"),
    ],
)
def test_a_wrong_value_is_named_with_its_field(override: str, message: str):
    with pytest.raises(ConfigError, match=message):
        build(compose([override]))


def test_a_missing_key_is_named():
    config = OmegaConf.create(resolve(compose([])))
    del config.battery["power_mw"]
    with pytest.raises(ConfigError, match="battery.power_mw is missing: Battery needs it, so set it in the YAML of"):
        build_part(config, "battery")


def test_a_target_that_does_not_exist_is_named():
    with pytest.raises(ConfigError, match="algo._target_=nowhere.Algo cannot be imported: No module named 'nowhere'"):
        build(compose(["algo._target_=nowhere.Algo"]))


def test_a_target_that_is_not_a_dataclass_is_refused():
    with pytest.raises(ConfigError, match="algo._target_=builtins.dict must name a dataclass"):
        build(compose(["algo._target_=builtins.dict"]))
