"""The exploration bonus: its counts, its annealing and its state."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from battery_lab.common.errors import ConfigError
from battery_lab.rewards.exploration import Exploration
from tests.rewards.contexts_and_transitions import dispatch, make_context, random_dispatch
from tests.small_batteries_and_series import make_battery

OPTIONS = {"weight": 1.0, "bonus": 12.0, "soc_bins": 4, "hour_bins": 24, "anneal_steps": 1000}
PRICES = np.zeros(48)


def make(**changes: Any) -> Exploration:
    return Exploration(**(OPTIONS | changes))


def test_visits_are_counted_by_soc_and_local_hour_over_all_environments() -> None:
    # Bins are 8 MWh wide from 4 MWh. The clock is 10 hours ahead of UTC, so rows 0 and 24 begin at 10:00.
    context = make_context(PRICES, make_battery(round_trip_efficiency=1.0))
    bonus = make(anneal_steps=10**12).bind(context)
    first = bonus(dispatch(context, [0, 0, 24, 1], [5, 14, 5, 5], [0, 3, 0, 0]))
    assert first == pytest.approx([12, 12 / np.sqrt(2), 12 / np.sqrt(3), 12]), "11 MWh is in the same bin as 5 MWh"
    assert bonus(dispatch(context, [0, 0], [5, 20], [0, 0])) == pytest.approx([6, 12])


def test_energy_at_and_beyond_the_limits_is_in_the_outer_bins() -> None:
    battery = make_battery(self_discharge_per_day=0.9)
    context = make_context(PRICES, battery)
    bonus = make(anneal_steps=10**12).bind(context)
    assert bonus(dispatch(context, [0, 0], [4.0, 5.0], [0, 0])) == pytest.approx([12, 12 / np.sqrt(2)])
    full = make_context(PRICES, make_battery())
    assert make().bind(full)(dispatch(full, [0], [36.0], [-10])) == pytest.approx([12])


def test_bonus_falls_linearly_to_exactly_zero() -> None:
    context = make_context(PRICES)
    bonus = make(anneal_steps=10, soc_bins=1, hour_bins=1).bind(context)
    done = dispatch(context, [0] * 5, [20] * 5, [0] * 5)
    visit = np.arange(1, 11)
    assert bonus(done) == pytest.approx(12 / np.sqrt(visit[:5]))
    assert bonus(done) == pytest.approx(0.5 * 12 / np.sqrt(visit[5:]))
    assert (bonus(done) == 0.0).all()
    assert (bonus(done) == 0.0).all()


def test_restored_state_continues_like_the_uninterrupted_run() -> None:
    context = make_context(PRICES)
    calls = [random_dispatch(context, 8, seed) for seed in range(40)]
    whole = make(anneal_steps=300).bind(context)
    expected = [whole(done) for done in calls]
    before, after = make(anneal_steps=300).bind(context), make(anneal_steps=300).bind(context)
    for done in calls[:15]:
        before(done)
    state = before.get_state()
    for done in calls[15:]:
        before(done)
    after.set_state(state)
    resumed = [after(done) for done in calls[15:]]
    assert np.array_equal(resumed, expected[15:]), "the state is a copy that later calls do not change"


def test_set_state_copies_the_state() -> None:
    context = make_context(PRICES)
    bonus, other = make().bind(context), make().bind(context)
    bonus(random_dispatch(context, 8, 0))
    state = bonus.get_state()
    visits = state["visits"].copy()
    other.set_state(state)
    other(random_dispatch(context, 8, 1))
    assert np.array_equal(state["visits"], visits)


def test_whole_floats_are_accepted_as_whole_numbers() -> None:
    context = make_context(PRICES)
    assert make(anneal_steps=2e6, soc_bins=4.0).bind(context)(dispatch(context, 0, 20, 0)) == pytest.approx([12])


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("weight", float("inf")),
        ("bonus", -1.0),
        ("bonus", float("nan")),
        ("soc_bins", 0),
        ("soc_bins", 2.5),
        ("hour_bins", 289),
        ("hour_bins", "24"),
        ("anneal_steps", 0),
        ("anneal_steps", 0.5),
        ("anneal_steps", True),
        ("anneal_steps", float("inf")),
    ],
)
def test_invalid_number_names_the_field(field: str, value: Any) -> None:
    with pytest.raises(ConfigError, match=rf"^reward\.terms\.exploration\.{field} must be .*got"):
        make(**{field: value})
