"""Open mappings: what users fill takes new keys without a plus, wherever it is given, and options are still checked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import hydra
import pytest
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from omegaconf import OmegaConf

from battery_lab.common.errors import ConfigError
from battery_lab.config.build import build_part
from battery_lab.config.compose import compose
from battery_lab.config.open_mappings import HYDRA_VERSION, install
from battery_lab.config.stored_trial import store_trial, trial

TABLE = ["market=table", "market.path=x.csv", "market.time_zone=UTC", "market.currency=EUR"]
FILLED = {"demand_mw": "load", "price_forecast": "price"}


def filled(*overrides: str, folder: Path | None = None) -> Any:
    config = compose([*TABLE, *overrides], folder)
    return OmegaConf.to_container(config.market.columns), OmegaConf.to_container(config.market.lead_h)


def test_the_adapter_is_for_this_version_of_hydra():
    assert hydra.__version__.startswith(HYDRA_VERSION), "compare ConfigLoaderImpl with open_mappings"


@pytest.mark.parametrize("plus", ["", "+", "++"])
@pytest.mark.parametrize(
    "overrides",
    [
        ["market.columns={demand_mw: load, price_forecast: price}"],
        ["market.columns.demand_mw=load", "market.columns.price_forecast=price"],
        ["market.columns={demand_mw: load}", "market.columns.price_forecast=price"],
    ],
)
def test_a_mapping_takes_new_keys_with_and_without_a_plus(plus, overrides):
    assert filled(*[plus + override for override in overrides], "market.lead_h={price_forecast: 12}") == (
        FILLED,
        {"price_forecast": 12},
    )


def test_a_mapping_that_an_experiment_fills_takes_further_keys(tmp_path):
    own = tmp_path / "experiment" / "own.yaml"
    own.parent.mkdir()
    own.write_text(
        "# @package _global_\ndefaults:\n  - override /market: table\nmarket:\n  columns: {demand_mw: load}\n"
    )
    search = f"hydra.searchpath=['file://{tmp_path}']"
    assert filled(search, "experiment=own")[0] == {"demand_mw": "load"}
    assert filled(search, "experiment=own", "market.columns={price_forecast: price}")[0] == FILLED
    assert filled(search, "experiment=own", "market.columns.demand_mw=other")[0] == {"demand_mw": "other"}


@pytest.mark.parametrize("filled_before", [[], ["market.columns={demand_mw: load}"]])
def test_a_stored_trial_takes_new_keys(tmp_path, filled_before):
    store_trial(compose([*TABLE, *filled_before]), tmp_path)
    for overrides in (
        ["market.columns={demand_mw: load, price_forecast: price}"],
        ["market.columns.demand_mw=load", "market.columns.price_forecast=price"],
        [*TABLE, "market.columns={demand_mw: load, price_forecast: price}"],
    ):
        assert trial(tmp_path, overrides).market.columns == FILLED
    with pytest.raises(ConfigError, match=r"market\.column is not an option.*did you mean market\.columns"):
        trial(tmp_path, ["market.column={demand_mw: load}"])


@pytest.mark.parametrize("plus", ["", "+", "++"])
def test_a_stored_trial_takes_a_plus_and_removes_keys(tmp_path, plus):
    store_trial(compose([*TABLE, "market.columns={demand_mw: load}"]), tmp_path)
    assert trial(tmp_path, [f"{plus}market.columns.price_forecast=price"]).market.columns == FILLED
    for removal in ("~market.columns.demand_mw", "~market.columns.demand_mw="):
        assert trial(tmp_path, [removal]).market.columns == {}
        assert trial(tmp_path, [removal, f"{plus}market.columns.a=b"]).market.columns == {"a": "b"}
    assert trial(tmp_path, [*TABLE, f"{plus}market.columns.a=b"]).market.columns == {"a": "b"}
    with pytest.raises(ConfigError, match=r"market\.columns\.other is not an option"):
        trial(tmp_path, ["~market.columns.other"])
    with pytest.raises(ConfigError, match=r"market\.column is not an option.*did you mean market\.columns"):
        trial(tmp_path, [f"{plus}market.column={{demand_mw: load}}"])
    with pytest.raises(ConfigError, match=r"~battery\.power_mw must name a key of your own"):
        trial(tmp_path, ["~battery.power_mw"])


@pytest.mark.parametrize(
    ("override", "meant"),
    [
        ("market.column={demand_mw: load}", "market.columns"),
        ("market.columns_.demand_mw=load", "market.columns.demand_mw"),
        ("market.lead={demand_mw: 1}", "market.lead_h"),
        ("battery.power=4", "battery.power_mw"),
        ("env.baselines.rul.window_days=3", "env.baselines.rule.window_days"),
    ],
)
def test_a_misspelt_option_is_still_refused_with_what_was_meant(override, meant):
    with pytest.raises(ConfigError, match=f"is not an option.*did you mean {meant}"):
        compose([*TABLE, override])


def test_the_keys_of_a_mapping_are_checked_by_its_option():
    config = compose([*TABLE, "market.columns={demand_mw: load}", "market.lead_h={demand: 12}"])
    with pytest.raises(ConfigError, match=r"market\.lead_h must name price or columns.*got 'demand'"):
        build_part(config, "market")


def test_another_version_of_hydra_is_named(monkeypatch):
    monkeypatch.setattr(ConfigLoaderImpl, "_compose_config_from_defaults_list", lambda *_: None)
    monkeypatch.setattr(hydra, "__version__", "9.9.0")
    with pytest.warns(UserWarning, match=r"Hydra 9\.9\.0 is not 1\.3\.x: new keys of mappings .* need a \+"):
        install()
