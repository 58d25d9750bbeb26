"""Cycles used: what a bid sheet offers, and a policy observes, where a part of the caps on cycles is used."""

from __future__ import annotations

import numpy as np
import pytest

from battery_lab.common.errors import ConfigError
from tests.compositions import option
from tests.envs.small_world import make_bid_request, make_option
from tests.small_batteries_and_series import make_battery, make_series, wavy_prices

# The last price is that of 09:55 on 25 January 2024; the sheets are of the interval after it.
SERIES = make_series(wavy_prices(24))
DAILY, YEARLY = {"max_cycles_per_day": 1.0}, {"max_cycles_per_year": 300.0}
BOTH = DAILY | YEARLY


def world_of(folder, caps, **changes):
    return make_option(folder, SERIES, battery=make_battery(**caps), actions="bids", **changes).open("continuous")


def sheet_of(world, actor=None, **changes):
    return world.bid_sheet(actor or fixed_bids, make_bid_request(**changes))


def fixed_bids(observation):
    return np.tile(np.float32([-0.2, 0.2]), (len(observation), 1))


def available(sheet):
    return sheet.bands.set_index("DIRECTION")["MAXAVAIL"].to_dict()


@pytest.mark.parametrize(
    ("caps", "used", "gen_mw"),
    # Full power for five minutes is 0.8333 MWh, 0.02083 cycles of 40 MWh.
    [
        (DAILY, {}, 10),
        (DAILY, {"cycles_today": 0.0}, 10),
        (DAILY, {"cycles_today": 0.97}, 10),
        (DAILY, {"cycles_today": 0.99}, 4.8),
        (DAILY, {"cycles_today": 1.0}, 0),
        (YEARLY, {"cycles_this_year": 299.99}, 4.8),
        (YEARLY, {"cycles_this_year": 300.0}, 0),
        (BOTH, {"cycles_today": 0.5, "cycles_this_year": 299.99}, 4.8),
        (BOTH, {"cycles_today": 0.995, "cycles_this_year": 200.0}, 2.4),
        (BOTH, {"cycles_today": 1.0}, 0),
    ],
)
def test_no_more_is_offered_than_the_caps_leave_and_buying_is_not_capped(tmp_path, caps, used, gen_mw):
    offered = available(sheet_of(world_of(tmp_path, caps), **used))
    assert offered == {"GEN": pytest.approx(gen_mw, abs=0.0011), "LOAD": 10}


def test_a_policy_observes_what_is_left(tmp_path):
    observation, seen = option("observation", "minimal", ["observation.cap_left=true"]), []
    world = world_of(tmp_path, BOTH, observation=observation)
    names = world.layout.names
    place = names.index("fraction left of the day's cycles")

    def actor(observed):
        seen.append(observed[:, place : place + 2])
        return fixed_bids(observed)

    # 1 January to 10:00 on 25 January is 24.4167 days, 0.066895 years; 9 cycles are 0.03 of 300.
    for used, expected in (
        ({}, [1, 0]),
        ({"cycles_today": 0.25}, [0.75, 0]),
        ({"cycles_this_year": 9.0}, [1, 0.036895]),
        ({"cycles_today": 0.25, "cycles_this_year": 9.0, "year_start": "2024-01-15"}, [0.75, 10.41667 / 365 - 0.03]),
        ({"cycles_this_year": 9.0, "year_start": "2024-01-25"}, [1, 10 / 24 / 365 - 0.03]),
    ):
        sheet_of(world, actor, **used)
        np.testing.assert_allclose(seen[-1], np.tile(expected, (3, 1)), atol=1e-5)


def test_the_sheet_says_what_is_left_and_what_it_does_not_know(tmp_path):
    world = world_of(tmp_path, BOTH)
    limits = sheet_of(world, cycles_today=0.4, cycles_this_year=120.0, year_start="2024-01-02").limits
    assert limits.endswith(
        "The battery sells at most 1 cycle per day: 0.4 used today, 24 MWh left. "
        "The battery sells at most 300 cycles per year: 120 used since 2024-01-02, 7,200 MWh left."
    )
    assert sheet_of(world, cycles_today=0.4).limits.endswith(
        "at most 300 cycles per year: the sheet offers power as if none of it were used yet, as cycles_this_year= does "
        "not say."
    )
    assert "0 used since 2024-01-01, " in sheet_of(world, cycles_this_year=0.0).limits
    assert "cycles_today= and cycles_this_year=" in sheet_of(world).limits


@pytest.mark.parametrize(
    ("caps", "used", "message"),
    [
        ({}, {"cycles_today": 0.5}, "cycles_today=0.5 needs a cap on cycles, and battery.max_cycles_per_day is null"),
        (DAILY, {"cycles_this_year": 9.0}, "cycles_this_year=9 needs a cap .* battery.max_cycles_per_year is null"),
        (
            DAILY,
            {"cycles_today": 1.1},
            r"cycles_today must be a number of cycles from 0 to battery.max_cycles_per_day = 1, got 1\.1",
        ),
        (DAILY, {"cycles_today": -0.1}, "cycles_today must be a number of cycles from 0 to .*, got -0.1"),
        (DAILY, {"cycles_today": np.nan}, "cycles_today must be a number of cycles from 0 to .*, got nan"),
        (YEARLY, {"cycles_this_year": 301.0}, "cycles_this_year must be .* battery.max_cycles_per_year = 300, got 301"),
        (
            BOTH,
            {"cycles_today": 0.5, "cycles_this_year": 0.4},
            "cycles_today must be at most cycles_this_year = 0.4, got 0.5",
        ),
        (YEARLY, {"year_start": "2024-01-01"}, "year_start=2024-01-01 needs cycles_this_year="),
        (
            YEARLY,
            {"cycles_this_year": 9.0, "year_start": "January"},
            "year_start must be a date such as 2025-07-01, got 'January'",
        ),
        (
            YEARLY,
            {"cycles_this_year": 9.0, "year_start": "2024-01-26"},
            "year_start must be a day of the 366 days up to that of the interval, 2024-01-25, got '2024-01-26'",
        ),
        (
            YEARLY,
            {"cycles_this_year": 9.0, "year_start": "2023-01-24"},
            "year_start must be a day of the 366 days up to that of the interval, 2024-01-25, got '2023-01-24'",
        ),
    ],
)
def test_a_use_that_is_not_possible_is_refused(tmp_path, caps, used, message):
    with pytest.raises(ConfigError, match=message):
        sheet_of(world_of(tmp_path, caps), **used)
