"""Options of markets: their defaults, and errors that name the field, the rule and the value."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hydra.utils import instantiate
from omegaconf import OmegaConf

from battery_lab.common.errors import ConfigError
from tests.market import operator_files as files

BERLIN = {"time_zone": "Europe/Berlin", "currency": "EUR"}


@pytest.mark.parametrize(
    ("option", "changes", "message"),
    [
        ("aemo", {"gaps": "ignore"}, "market.gaps must be one of .*refuse.*got 'ignore'"),
        ("aemo", {"max_gap_h": 0}, "market.max_gap_h must be greater than 0 hours, got 0"),
        ("aemo", {"interval_minutes": 7}, "market.interval_minutes must be one of .*5.*60.*got 7"),
        ("aemo", {"currency": "dollars"}, "market.currency must be an ISO 4217 code.*got 'dollars'"),
        (
            "aemo",
            {"price_floor": "low"},
            "market.price_floor must be from -1000000 to 1000000 currency per MWh or null",
        ),
        (
            "aemo",
            {"price_floor": 50, "price_cap": 50},
            "market.price_cap must be at least 1 above market.price_floor = 50",
        ),
        ("table", BERLIN | {"price_floor": 5, "price_cap": 4}, "market.price_cap must be at least 1 above"),
        ("aemo", {"region": 1}, "market.region must be a name in the files or null, got 1"),
        ("nyiso", {"time_zone": "Gotham"}, "market.time_zone must be an IANA time zone.*got 'Gotham'"),
        ("ercot", {"time_zone": None}, "market.time_zone must be an IANA time zone.*got None"),
        ("nyiso", {"stamps": "middle"}, "market.stamps must be one of .*start.*got 'middle'"),
        ("nyiso", {"off_grid": "round"}, "market.off_grid must be one of .*drop.*got 'round'"),
        ("table", BERLIN | {"stamps": "middle"}, "market.stamps must be one of"),
        ("table", BERLIN | {"stamp_time_zone": "here"}, "market.stamp_time_zone must be an IANA time zone"),
        ("table", BERLIN | {"columns.price": "p"}, "market.columns must have names .* other than .*got 'price'"),
        ("table", BERLIN | {"lead_h.wind_mw": 24}, "market.lead_h must name price or columns .*got 'wind_mw'"),
        ("table", BERLIN | {"columns.a": "b", "lead_h.a": -1}, "market.lead_h.a must be 0 or more hours, got -1"),
    ],
)
def test_invalid_option_of_a_file_market_names_the_field_and_the_rule(
    option: str, changes: dict[str, Any], message: str
) -> None:
    # Hydra wraps the error and keeps its message.
    with pytest.raises(Exception, match=message) as caught:
        files.market(option, "x.csv", **changes)
    assert isinstance(caught.value.__cause__ or caught.value, ConfigError)


def synthetic(*changes: str) -> Any:
    config = OmegaConf.merge(files.defaults("synthetic"), OmegaConf.from_dotlist(list(changes)))
    return instantiate(config, _convert_="all")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("seed=-1", "market.seed must be a whole number from 0"),
        ("seed=0.5", "market.seed must be a whole number from 0"),
        ("years=0", "market.years must be a whole number from 1 to 50, got 0"),
        ("years=2.5", "market.years must be a whole number from 1 to 50, got 2.5"),
        ("first_year=1900", "market.first_year must be a whole number from 1970 to 2200, got 1900"),
        ("interval_minutes=7", "market.interval_minutes must be one of"),
        ("price_floor=1", "market.price_floor must be from -1000000 to 0 currency per MWh, got 1"),
        ("price_cap=0", "market.price_cap must be greater than 0 and at most 1000000 currency per MWh, got 0"),
        ("regimes=[]", "market.regimes must be a list of at least 1"),
        ("weather.seen_share=1.5", "market.weather.seen_share must be from 0 to 1, got 1.5"),
        ("weather.spell_h=0", "market.weather.spell_h must be from 0.1 to 10000 hours, got 0"),
        ("weather.spell_h=.nan", "market.weather.spell_h must be from 0.1 to 10000 hours, got nan"),
        ("weather.mean_c=warm", "market.weather.mean_c must be from -50 to 50 degrees C, got 'warm'"),
        ("demand.hourly_mw=[1,2]", "market.demand.hourly_mw must be a list of 24, each item from 0 to 1000000 MW"),
        ("demand.weekend=-1", "market.demand.weekend must be from 0 to 10, got -1"),
        ("renewables.wind_mw=-1", "market.renewables.wind_mw must be from 0 to 1000000 MW, got -1"),
        ("renewables.latitude_deg=50", "market.renewables.latitude_deg must be a southern latitude"),
        ("supply.needed_mw=[2,1]", "market.supply.needed_mw must rise from each item to the next"),
        ("supply.price=[1,2]", "market.supply.price must be a list of 24 that never falls"),
        ("supply.bid_h=0", "market.supply.bid_h must be from 0.01 to 10000 hours, got 0"),
        ("spikes.tail=0", "market.spikes.tail must be from 0.1 to 100, got 0"),
        ("plunges.last_h=0", "market.plunges.last_h must be from 0.0833333 to 1000 hours, got 0"),
        ("forecast.error_mw=-5", "market.forecast.error_mw must be from 0 to 100000 MW, got -5"),
    ],
)
def test_invalid_option_of_the_synthetic_market_names_the_field_and_the_rule(change: str, message: str) -> None:
    with pytest.raises(Exception) as caught:
        synthetic(change)
    error = caught.value if isinstance(caught.value, ConfigError) else caught.value.__cause__
    assert isinstance(error, ConfigError)
    assert message in str(error)


def test_invalid_regime_is_an_error() -> None:
    with pytest.raises(ConfigError, match="market.regimes.fuel must be from 0 to 20, got -1"):
        replace(synthetic().regimes[0], fuel=-1)


@pytest.mark.parametrize(
    ("option", "limits"),
    [("aemo", (-1000, 20300)), ("nyiso", (-1000, 1000)), ("caiso", (-150, 1000)), ("ercot", (-250, 2000))],
)
def test_operators_have_their_own_floor_and_cap(option: str, limits: tuple[float, float]) -> None:
    market = files.market(option, "x.csv")
    assert (market.price_floor, market.price_cap) == limits
