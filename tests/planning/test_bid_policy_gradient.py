"""Bid policy gradient: value and gradient against finite differences, autograd, samples and the battery's physics."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from battery_lab.planning.bid_policy_gradient import knot_weights
from battery_lab.planning.move_table import move_table
from tests.planning.bid_policy_case import BATTERY, HOURS, KNOTS, LEVELS, ROWS, Case, scaled
from tests.small_batteries_and_series import make_battery


@pytest.mark.parametrize("battery", [{}, BATTERY], ids=["default", "fees, wear and self-discharge"])
def test_the_gradient_equals_finite_differences(battery):
    case, step = Case(**battery), 1e-5
    solution = case.solve()
    rng = np.random.default_rng(1)
    for t, m in zip(rng.integers(0, ROWS, 12), rng.integers(0, KNOTS, 12), strict=True):
        for name, exact in (("bid", solution.bid_gradient), ("offer", solution.offer_gradient)):
            profits = []
            for sign in (1, -1):
                changed = getattr(case, name).copy()
                changed[t, m] += sign * step
                profits.append(case.solve(**{name: changed}).value)
            assert exact[t, m] == pytest.approx((profits[0] - profits[1]) / (2 * step), rel=1e-4, abs=1e-3)


def test_the_gradient_equals_autograd():
    case = Case(rows=12, **BATTERY)
    bid, offer = (torch.tensor(values, requires_grad=True) for values in (case.bid, case.offer))
    moves, price = case.moves, case.price
    knot, weight = torch.tensor(case.knots.knot), torch.tensor(case.knots.weight)
    value = torch.tensor(case.value_end)
    target, share = torch.tensor(moves.target), torch.tensor(moves.weight)
    money = torch.tensor(case.profits())
    for t in reversed(range(len(price))):
        bids, offers = (x[t, knot] * (1 - weight) + x[t, knot + 1] * weight for x in (bid, offer))
        p = float(scaled(price[t]))
        logits = torch.stack([case.sharpness * (bids - p), torch.zeros(len(value)), case.sharpness * (p - offers)])
        ends = value[target] * (1 - share) + value[target + 1] * share + money[t]
        value = (logits.softmax(0) * ends).sum(0)
    profit = (torch.tensor(case.start) * value).sum()
    profit.backward()
    solution = case.solve()
    assert solution.value == pytest.approx(float(profit.detach()), rel=1e-9)
    np.testing.assert_allclose(solution.value_start, value.detach().numpy(), rtol=1e-9)
    np.testing.assert_allclose(solution.bid_gradient, bid.grad.numpy(), rtol=1e-4, atol=1e-3)
    np.testing.assert_allclose(solution.offer_gradient, offer.grad.numpy(), rtol=1e-4, atol=1e-3)


def test_the_gradient_is_the_mean_of_a_sampled_policy_gradient():
    # Moves of whole levels, so that sampled batteries stay on the grid.
    case = Case(rows=6, levels=9, power_mw=6.0, capacity_mwh=10.0, round_trip_efficiency=1.0, hours=1 / 6)
    runs = 200_000
    rng = np.random.default_rng(0)
    level = rng.choice(9, runs, p=case.start)
    scores, profit = np.zeros((2, runs, 6, KNOTS)), np.zeros(runs)
    for t in range(6):
        k, w = case.knots.knot[level], case.knots.weight[level]
        at = [x[t, k] * (1 - w) + x[t, k + 1] * w for x in (case.bid, case.offer)]
        p = scaled(case.price[t])
        odds = np.exp([case.sharpness * (at[0] - p), np.zeros(runs), case.sharpness * (p - at[1])])
        odds /= odds.sum(0)
        move = (rng.random(runs) > odds.cumsum(0)).sum(0)
        for place, (chosen, sign) in enumerate(((0, 1), (2, -1))):
            score = sign * case.sharpness * ((move == chosen) - odds[chosen])
            scores[place, np.arange(runs), t, k] += score * (1 - w)
            scores[place, np.arange(runs), t, k + 1] += score * w
        profit += case.profits()[t, move, level]
        level = (case.moves.target + np.round(case.moves.weight).astype(int))[move, level]
    profit += case.value_end[level]
    solution = case.solve()
    assert profit.mean() == pytest.approx(solution.value, abs=4 * profit.std() / np.sqrt(runs))
    samples = scores * (profit - profit.mean())[:, None, None]
    error = samples.std(1) / np.sqrt(runs)
    exact = np.stack([solution.bid_gradient, solution.offer_gradient])
    assert (np.abs(samples.mean(1) - exact) <= 5 * error + 1e-6).all()
    assert np.abs(exact).max() > 20 * error.max()


def test_slices_in_sequence_equal_the_whole_path():
    whole = Case(**BATTERY)
    half = ROWS // 2
    first, second = Case(**BATTERY), Case(**BATTERY)
    first.price, first.bid, first.offer = whole.price[:half], whole.bid[:half], whole.offer[:half]
    second.price, second.bid, second.offer = whole.price[half:], whole.bid[half:], whole.offer[half:]
    value = second.solve().value_start
    early = first.solve(value_end=value)
    late = second.solve(occupancy_start=early.occupancy_end)
    expected = whole.solve()
    assert early.value == pytest.approx(expected.value)
    np.testing.assert_allclose(
        np.vstack([early.bid_gradient, late.bid_gradient]), expected.bid_gradient, rtol=1e-5, atol=1e-5
    )
    np.testing.assert_allclose(late.occupancy_end, expected.occupancy_end, atol=1e-9)
    assert expected.occupancy_end.sum() == pytest.approx(1)


def test_a_sharp_policy_is_the_cleared_one():
    case = Case(rows=288, levels=400, sharpness=5e4).one_day()
    # The same at every state of charge: a sharp bid curve would decide differently from one level to the next.
    case.bid, case.offer = (np.repeat(x[:, :1], KNOTS, axis=1) for x in (case.bid, case.offer))
    assert case.solve().value == pytest.approx(case.cleared_profit(), rel=1e-3)


def test_a_uniform_share_gives_a_gradient_at_states_that_are_not_visited():
    case = Case()
    start = np.zeros(LEVELS)
    start[0] = 1.0
    visited = case.solve(occupancy_start=start)
    everywhere = case.solve(occupancy_start=start, uniform_share=0.3)
    assert (visited.bid_gradient[0, 2:] == 0).all() and (everywhere.bid_gradient[0, 2:] != 0).all()
    assert everywhere.value == visited.value


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("bid", np.zeros((3, KNOTS))),
        ("offer", np.zeros((ROWS, KNOTS + 1))),
        ("bid", np.full((ROWS, KNOTS), -np.inf)),
        ("reward", np.zeros((ROWS, 3, LEVELS + 1))),
        ("value_end", np.zeros(LEVELS + 1)),
        ("occupancy_start", np.full(LEVELS, np.nan)),
    ],
)
def test_wrong_shapes_and_infinities_are_refused(name, value):
    with pytest.raises(ValueError, match=rf"{name} must (be finite|have the shape \()"):
        Case().solve(**{name: value})


@pytest.mark.parametrize("make", [lambda b: move_table(b, HOURS, 1), lambda b: knot_weights(b, np.ones(3), 1)])
def test_at_least_two_levels_and_knots_are_needed(make):
    with pytest.raises(ValueError, match="must be at least 2, got 1"):
        make(make_battery())


@pytest.mark.parametrize("battery", [{}, {"soc_min": 0.0, "self_discharge_per_day": 0.2}])
def test_two_levels_and_two_knots_suffice(battery):
    case = Case(levels=2, knots=2, **battery)
    solution = case.solve()
    assert len(case.moves.energy_mwh) == 2
    assert solution.occupancy_end.min() >= 0 and solution.occupancy_end.sum() == pytest.approx(1)


def test_crossed_bids_clear_at_their_mean_on_the_scale():
    case = Case(rows=288, levels=400, sharpness=5e4).one_day()
    case.bid, case.offer = (np.repeat(x[:, :1], KNOTS, axis=1) for x in (case.offer, case.bid))
    assert (case.bid > case.offer).mean() > 0.9
    assert case.solve().value == pytest.approx(case.cleared_profit(), rel=1e-3)
