"""Added options: what stored runs lack, with the values that match the behavior of the version that wrote them."""

from __future__ import annotations

DAY_AHEAD: dict[str, object] = {"price_range": None, "day_ahead_published": None}
# Options that all markets of files have had since they read files of any dialect.
READING_OPTIONS: dict[str, object] = {"decimal": None, "where": {}, "newest_by": None, "resample": None}
# Class -> options that it did not have yet, with the values that match its behavior then.
ADDED_OPTIONS: dict[str, dict[str, object]] = {
    "battery_lab.algos.ppo.PPO": {"min_batches": 0},
    "battery_lab.baselines.receding_horizon.RecedingHorizon": {
        "forecasts": None,
        "latency_h": None,
        "unknown_price": "corrected",
    },
    "battery_lab.envs.battery.environment.BatteryMarket": {
        "bid_levels": 9,
        "skip_last_days": 0,
        "max_filled_h": None,
        "forecast_latency_h": 0.0,
    },
    "battery_lab.envs.battery.physics.Battery": {
        "wear_per_mwh_charged": 0.0,
        "max_cycles_per_day": None,
        "max_cycles_per_year": None,
    },
    "battery_lab.experiment.trainer.TrainOptions": {"keep_policy": "best"},
    "battery_lab.market.readers.aemo.AemoMarket": {"price_floor": -1000.0, "price_cap": 20300.0, "price_range": None}
    | READING_OPTIONS
    | {"forecasts": {}},
    "battery_lab.market.readers.caiso.CaisoMarket": {"price_floor": -150.0, "price_cap": 1000.0}
    | DAY_AHEAD
    | READING_OPTIONS,
    "battery_lab.market.readers.ercot.ErcotMarket": {"price_floor": -250.0, "price_cap": 2000.0}
    | DAY_AHEAD
    | READING_OPTIONS,
    "battery_lab.market.readers.nemweb.NemwebMarket": {"forecasts": {}},
    "battery_lab.market.readers.nyiso.NyisoMarket": {"price_floor": -1000.0, "price_cap": 1000.0}
    | DAY_AHEAD
    | READING_OPTIONS,
    "battery_lab.market.synthetic_prices.synthetic_market.SyntheticMarket": {"vintages": False, "forecaster": None},
    "battery_lab.market.readers.table.TableMarket": {
        "price_floor": None,
        "price_cap": None,
        "price_range": None,
        "published": {},
        "forecasts": {},
    }
    | READING_OPTIONS,
    **{
        f"battery_lab.market.readers.{module}.{name}": {"day_ahead_published": None}
        for module, name in (
            *(("pjm", "PjmMarket"), ("isone", "IsoneMarket"), ("ieso", "IesoMarket"), ("miso", "MisoMarket")),
            *(("spp", "SppMarket"), ("entsoe", "EntsoeMarket"), ("nordpool", "NordpoolMarket")),
        )
    },
    "battery_lab.observations.forecast_features.ForecastHours": {"optional": False},
    "battery_lab.observations.observation_set.ObservationSet": {"cap_left": False},
    "battery_lab.observations.past_features.Quantiles": {"optional": False},
    "battery_lab.observations.past_features.SameHours": {"optional": False},
}
# Class -> options that only accept or refuse the data: whatever their value, a trial that runs gives the same results.
ACCEPTING_OPTIONS: dict[str, tuple[str, ...]] = {
    "battery_lab.envs.battery.environment.BatteryMarket": ("max_filled_h",),
}
# Class -> options that have an effect only if another option has a value: option -> (other option, its value).
CONDITIONAL_OPTIONS: dict[str, dict[str, tuple[str, object]]] = {
    "battery_lab.market.synthetic_prices.synthetic_market.SyntheticMarket": {"forecaster": ("vintages", True)},
    "battery_lab.envs.battery.environment.BatteryMarket": {"bid_levels": ("actions", "bids")},
}
