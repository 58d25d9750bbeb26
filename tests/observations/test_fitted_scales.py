"""Fitted scales: they depend on training time only, and survive being stored."""

from __future__ import annotations

import json

import numpy as np

from battery_lab.observations.fitted_scales import Scaling
from tests.observations.observers import market, observation_set
from tests.small_batteries_and_series import make_battery, make_series


def test_scales_depend_on_training_time_only():
    series = market()
    other = make_series(
        np.where(np.arange(len(series)) < 7 * 288, series.price, 1e4), columns=series.columns, lead_h=series.lead_h
    )
    chosen = observation_set("compact")
    first, second = (chosen.fit(s.rows(0, 7 * 288), 0) for s in (series, other))
    assert first.to_json() == second.to_json()


def test_scales_round_trip_through_json_exactly():
    series = market()
    chosen = observation_set("forecast")
    scaling = chosen.fit(series.rows(0, 2000), 0)
    restored = Scaling.from_json(json.loads(json.dumps(scaling.to_json())))
    rows, energy = np.arange(3000), np.linspace(4, 36, 3000)
    before, after = (chosen.build(series, 0, s, make_battery())(rows, energy) for s in (scaling, restored))
    np.testing.assert_array_equal(before, after)
