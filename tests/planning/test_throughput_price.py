"""Searches for a price on throughput near a cap: few evaluations, also where throughput jumps."""

from __future__ import annotations

import math

import pytest

from battery_lab.planning.throughput_price import NearCap, bracket_cap_near, price_near_cap


class Throughput:
    """A throughput that falls with the price, and the prices that were tried."""

    def __init__(self, sold):
        self.sold, self.tried = sold, []

    def __call__(self, price):
        self.tried.append(price)
        return self.sold(price)


SMOOTH = {
    "linear": lambda price: max(1000.0 - price, 0.0),
    "exponential": lambda price: 1000 * math.exp(-price / 80),
    "flat at first": lambda price: min(900.0, 3000 * math.exp(-price / 60)),
}


def jump(price):
    return 1000.0 if price < 73.25 else 200.0


@pytest.mark.parametrize("cap", [100.0, 500.0, 850.0])
@pytest.mark.parametrize("name", SMOOTH)
def test_a_price_near_a_cap_is_found_in_few_evaluations(name, cap):
    sold = Throughput(SMOOTH[name])
    near = price_near_cap(sold, cap, 0.003)
    assert SMOOTH[name](near.price) == pytest.approx(cap, rel=0.005)
    assert len(sold.tried) <= 12
    assert near.fall_per_price > 0


def test_the_price_is_near_a_jump_across_the_cap():
    assert price_near_cap(jump, 500.0, 0.003).price == pytest.approx(73.25, rel=0.1)


def test_a_cap_that_throughput_keeps_at_a_small_price_gives_a_price_of_zero():
    assert price_near_cap(SMOOTH["linear"], 995.0, 0.003).price == 0


def test_a_throughput_that_no_price_reduces_is_an_error():
    with pytest.raises(ValueError, match="must fall to the cap of 30.0 MWh at some price, is 100.0"):
        price_near_cap(lambda price: 100.0, 30.0, 0.003)


@pytest.mark.parametrize("off", [0.5, 0.98, 1.0, 1.02, 2.0])
@pytest.mark.parametrize("name", SMOOTH)
def test_a_bracket_begins_at_a_price_near_the_cap(name, off):
    cap = 500.0
    near = price_near_cap(SMOOTH[name], cap, 0.003)
    sold = Throughput(SMOOTH[name])
    bracket = bracket_cap_near(
        sold, lambda plan: plan, cap, near._replace(price=near.price * off), lambda over, under: over - under <= 5
    )
    assert bracket.under <= cap < bracket.over <= bracket.under + 5
    assert len(sold.tried) <= (3 if off == 1 else 12)


def test_a_bracket_of_a_jump_is_narrow():
    tried = Throughput(jump)
    near = NearCap(80.0, 10.0)
    bracket = bracket_cap_near(tried, lambda plan: plan, 500.0, near, lambda over, under: over - under <= 5)
    assert (bracket.over, bracket.under) == (1000, 200)
    assert bracket.price == pytest.approx(73.25, rel=1e-3)


def test_a_cap_that_is_kept_without_a_price_has_no_plan_over_it():
    bracket = bracket_cap_near(
        SMOOTH["linear"], lambda plan: plan, 1000.0, NearCap(7.0, 1.0), lambda over, under: over - under <= 5
    )
    assert (bracket.over, bracket.under, bracket.price) == (None, 1000, 0)
