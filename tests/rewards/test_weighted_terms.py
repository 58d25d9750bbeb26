"""Shaping: scale, log and state, and errors of its options."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from battery_lab.common.errors import ConfigError
from battery_lab.rewards.exploration import Exploration
from battery_lab.rewards.grid_fee import GridFee
from battery_lab.rewards.regret import Regret
from battery_lab.rewards.revenue import Revenue
from battery_lab.rewards.soc_limit import SocLimit
from battery_lab.rewards.term import Term
from battery_lab.rewards.wear import Wear
from battery_lab.rewards.weighted_terms import Shaping
from tests.rewards.contexts_and_transitions import TableValue, dispatch, make_context, random_dispatch
from tests.small_batteries_and_series import make_battery, wavy_prices

BATTERY = make_battery(wear_per_mwh=11.3, grid_fee_per_mwh=2.7)
REVENUE, WEAR, FEE = Revenue(weight=1.0), Wear(weight=1.0), GridFee(weight=1.0)
EXPLORATION = Exploration(weight=0.5, bonus=10.0, soc_bins=5, hour_bins=6, anneal_steps=500)


def context_of(price: Any = None, **changes: Any) -> Any:
    return make_context(wavy_prices(10) if price is None else price, BATTERY, interval_h=1 / 12, **changes)


def test_revenue_minus_wear_minus_fee_is_exactly_profit() -> None:
    context = context_of()
    shaping = Shaping(gamma=0.99, scale=1.0, terms={"revenue": REVENUE, "wear": WEAR, "grid_fee": FEE}).bind(context)
    done = random_dispatch(context, 2000, seed=0)
    assert np.array_equal(shaping(done), done.profit)


def test_log_has_the_mean_weighted_value_of_each_term() -> None:
    context = context_of()
    terms: dict[str, Term] = {"revenue": REVENUE, "wear": Wear(weight=2.0), "exploration": EXPLORATION}
    shaping = Shaping(gamma=0.99, scale=40.0, terms=terms).bind(context)
    calls = [random_dispatch(context, count, seed=count) for count in (8, 3, 5)]
    total = sum(shaping(done).sum() for done in calls)
    log = shaping.take_log()
    assert list(log) == ["revenue", "wear", "exploration"]
    assert log["revenue"] == pytest.approx(sum(done.revenue.sum() for done in calls) / 16)
    assert log["wear"] == pytest.approx(-2 * sum(done.wear.sum() for done in calls) / 16)
    assert sum(log.values()) * 16 == pytest.approx(40.0 * total)
    assert shaping.take_log() == {}, "the sums are reset"


def test_fitted_scale_is_a_full_power_hour_at_the_mean_distance_from_the_median() -> None:
    gap = np.array([False, False, False, False, False, True])
    context = context_of([10.0, 20.0, 30.0, 40.0, 1000.0, 9e9], gap=gap)
    shaping = Shaping(gamma=0.99, scale="fitted", terms={"revenue": REVENUE}).bind(context)
    # Median 30, distances 20 10 0 10 970: mean 202; 10 MW for an hour.
    assert shaping.scale == pytest.approx(202 * 10)
    done = random_dispatch(context_of([10.0, 20.0]), 4, seed=0)
    assert shaping(done) == pytest.approx(done.revenue / shaping.scale)


def test_scale_in_currency_is_used_unchanged() -> None:
    assert Shaping(gamma=0.99, scale=250, terms={"revenue": REVENUE}).bind(context_of()).scale == 250.0


def test_constant_prices_have_no_scale_to_fit() -> None:
    with pytest.raises(ConfigError, match=r"^reward\.scale must be a number if the training prices are constant"):
        Shaping(gamma=0.99, scale="fitted", terms={"revenue": REVENUE}).bind(context_of([50.0] * 10))


def test_weight_of_zero_disables_a_term() -> None:
    context = context_of()
    done = random_dispatch(context, 50, seed=2)
    without = Shaping(gamma=0.99, scale=1.0, terms={"revenue": REVENUE, "wear": Wear(weight=0.0)}).bind(context)
    assert np.array_equal(without(done), done.revenue)


def test_restored_state_continues_like_the_uninterrupted_run() -> None:
    context = context_of()
    shaping = Shaping(gamma=0.99, scale="fitted", terms={"revenue": REVENUE, "exploration": EXPLORATION})
    calls = [random_dispatch(context, 8, seed) for seed in range(40)]
    whole, before, after = shaping.bind(context), shaping.bind(context), shaping.bind(context)
    expected = [whole(done) for done in calls]
    for done in calls[:25]:
        before(done)
    state = before.get_state()
    assert all(isinstance(values, np.ndarray) for values in state.values())
    after.set_state(state)
    assert np.array_equal([after(done) for done in calls[25:]], expected[25:])
    assert after.take_log() == whole.take_log()


def test_state_of_another_shaping_is_an_error() -> None:
    context = context_of()
    state = Shaping(gamma=0.99, scale=1.0, terms={"revenue": REVENUE}).bind(context).get_state()
    for terms in ({"exploration": EXPLORATION}, {"revenue": REVENUE, "wear": WEAR}):
        with pytest.raises(ConfigError, match="stored reward state belongs to other terms"):
            Shaping(gamma=0.99, scale=1.0, terms=terms).bind(context).set_state(state)


def test_two_soc_limit_terms_can_be_combined() -> None:
    soft = SocLimit(weight=1.0, shape="ramp", margin_soc=0.1, price_per_h=12.0)
    hard = SocLimit(weight=1.0, shape="step", margin_soc=0.0, price_per_h=24.0)
    context = context_of()
    shaping = Shaping(gamma=0.99, scale=1.0, terms={"soft": soft, "hard": hard}).bind(context)
    assert shaping(dispatch(context, 0, 36.0, 0.0)) == pytest.approx([-3.0])


@pytest.mark.parametrize(
    ("scale", "terms", "message"),
    [
        (
            "fit",
            {"revenue": REVENUE},
            "reward.scale must be 'fitted' or an amount of currency greater than 0, got 'fit'",
        ),
        (0.0, {"revenue": REVENUE}, "reward.scale must be"),
        (-5.0, {"revenue": REVENUE}, "reward.scale must be"),
        (float("nan"), {"revenue": REVENUE}, "reward.scale must be"),
        (None, {"revenue": REVENUE}, "reward.scale must be"),
        (1.0, {}, "reward.terms must be a mapping of at least 1, got {}"),
        (1.0, {"revenue": Revenue(weight=0.0)}, "reward.terms must have at least one term whose weight is not 0"),
        (1.0, {"revenue": {"weight": 1.0}}, "reward.terms.revenue must be a term with a _target_"),
        (1.0, {"a": REVENUE, "b": Revenue(weight=3.0)}, "reward.terms.b repeats reward.terms.a"),
    ],
)
def test_invalid_shaping_names_the_field_and_the_rule(scale: Any, terms: Any, message: str) -> None:
    with pytest.raises(ConfigError) as error:
        Shaping(gamma=0.99, scale=scale, terms=terms)
    assert str(error.value).startswith(message)


@pytest.mark.parametrize(
    ("terms", "times"),
    [
        ({"revenue": REVENUE, "wear": WEAR}, 1.0),
        ({"revenue": Revenue(weight=2.0), "wear": WEAR}, 2.0),
        ({"fee": GridFee(weight=3.0)}, 1.0),
        ({"regret": Regret(weight=0.5), "revenue": REVENUE}, 1.5),
    ],
)
def test_every_shaping_subtracts_the_throughput_price_once_as_often_as_it_counts_revenue(
    terms: Any, times: float
) -> None:
    value = TableValue(np.random.default_rng(0).normal(0, 50, (2881, 41)))
    free, priced = (
        Shaping(gamma=0.99, scale=40.0, terms=terms).bind(context_of(value=value, throughput_price=price))
        for price in (0.0, 30.0)
    )
    done = random_dispatch(context_of(), 500, seed=0)
    reward = priced(done)
    np.testing.assert_allclose(free(done) - reward, times * 30.0 * done.sold_mwh / 40.0, atol=1e-12)
    assert priced.is_linear == free.is_linear
    log = priced.take_log()
    assert log["throughput_price"] == pytest.approx(-times * 30.0 * done.sold_mwh.mean())
    assert sum(log.values()) == pytest.approx(40.0 * reward.mean())
    assert "throughput_price" not in free.take_log()
    priced(done)
    other = Shaping(gamma=0.99, scale=40.0, terms=terms).bind(context_of(value=value, throughput_price=30.0))
    other.set_state(priced.get_state())
    assert other.take_log() == priced.take_log()
