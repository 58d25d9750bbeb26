"""Split advice and short history: options with which a series can be split, and notes on periods too short to trust."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest

from battery_lab.config.compose import compose
from battery_lab.envs.battery.short_history import history_notes
from battery_lab.envs.battery.split_advice import advise
from tests.compositions import part
from tests.small_batteries_and_series import make_series, wavy_prices


@cache
def default_environment() -> Any:
    return part(compose([]), "env")


@pytest.mark.parametrize("days", [9, 10, 12, 20, 60, 200, 521, 522, 700])
def test_the_advised_split_fits(days):
    env = default_environment()
    advice = advise(env, make_series(np.tile(wavy_prices(1), days)))
    if days <= 10:
        assert advice.problem and advice.split is None
        return
    assert advice.problem == "" and advice.split is not None
    assert (advice.overrides == {}) == (days >= 523)
    names = {name.removeprefix("env."): value for name, value in advice.overrides.items()}
    again = advise(replace(env, **names), advice.series)
    assert again.overrides == {} and again.split.periods == advice.split.periods


def test_days_at_the_end_without_prices_are_left_out():
    env = default_environment()
    series = make_series(np.tile(wavy_prices(1), 100))
    gap = np.zeros(len(series), bool)
    gap[-20 * 288 - 7 :] = True
    advice = advise(env, replace(series, gap=gap))
    assert advice.overrides["env.skip_last_days"] == 21
    assert not advice.series.gap.any()


def test_a_history_too_short_to_trust_says_so():
    env = default_environment()

    def notes(days: int, **values: Any) -> str:
        series = make_series(np.tile(wavy_prices(1), days))
        return " ".join(history_notes(series, advise(replace(env, **values), series).split))

    assert notes(365 + 120 + 365) == ""
    assert "training period has 364 days with prices, less than a year" in notes(364 + 120 + 365)
    both = notes(249, validation_days=60, test_days=60)
    assert "training period has 129 days" in both and "test period has 60 days with prices, less than 90" in both
    assert notes(365 + 120 + 90, test_days=90) == ""
