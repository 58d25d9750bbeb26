"""Annealing: the values over a budget, and after a resumption with another budget or other options."""

from __future__ import annotations

import numpy as np
import pytest

from battery_lab.algos.annealing import Annealing
from tests.algos.small_bid_curves import iterate, make_learner

LR = Annealing.over(1000, 1.0, 0.1)
SHARPNESS = Annealing.over(1000, 2.0, 32.0, is_geometric=True)


def test_it_moves_by_equal_differences_or_equal_factors_and_then_stays():
    assert [LR.at(steps) for steps in (0, 500, 1000, 3000)] == pytest.approx([1.0, 0.55, 0.1, 0.1])
    assert [SHARPNESS.at(steps) for steps in (0, 250, 500, 1000, 3000)] == pytest.approx([2, 4, 8, 32, 32])


@pytest.mark.parametrize("annealing", [LR, SHARPNESS])
def test_the_same_options_go_on_to_the_bit(annealing):
    resumed = annealing.resumed(annealing.to_json(), 371)
    assert [resumed.at(steps) for steps in range(371, 1200)] == [annealing.at(steps) for steps in range(371, 1200)]


@pytest.mark.parametrize("budget", [600, 5000])
@pytest.mark.parametrize("annealing", [LR, SHARPNESS])
def test_another_budget_goes_on_from_the_value_that_was_reached_without_turning_back(annealing, budget):
    longer = Annealing.over(budget, annealing.start, annealing.end, is_geometric=annealing.is_geometric)
    resumed = longer.resumed(annealing.to_json(), 500)
    values = [annealing.at(499), *(resumed.at(steps) for steps in range(500, budget + 10))]
    assert resumed.at(500) == annealing.at(500)
    assert values[-1] == pytest.approx(annealing.end)
    sign = np.sign(annealing.end - annealing.start)
    assert (sign * np.diff(values) >= 0).all()
    # A second resumption with the larger budget changes nothing.
    again = longer.resumed(resumed.to_json(), 550)
    assert [again.at(steps) for steps in range(550, budget)] == [resumed.at(steps) for steps in range(550, budget)]


def test_a_training_that_used_its_budget_stays_at_the_end():
    resumed = Annealing.over(4000, 1.0, 0.1).resumed(LR.to_json(), 1000)
    assert [resumed.at(steps) for steps in (1000, 2500, 4000, 5000)] == pytest.approx([0.1] * 4)


def test_a_checkpoint_beyond_a_smaller_budget_is_at_the_end():
    assert Annealing.over(400, 1.0, 0.1).resumed(LR.to_json(), 500).at(500) == pytest.approx(0.1)


def test_another_end_is_reached_from_the_value_that_was_reached():
    resumed = Annealing.over(1000, 1.0, 0.01).resumed(LR.to_json(), 500)
    assert [resumed.at(500), resumed.at(1000)] == pytest.approx([0.55, 0.01])


@pytest.mark.parametrize(("annealing", "end"), [(LR, 0.8), (LR, 1.0), (LR, 1.5), (SHARPNESS, 4.0), (SHARPNESS, 2.0)])
def test_an_end_behind_the_value_that_was_reached_does_not_turn_it_back(annealing, end):
    changed = Annealing.over(1000, annealing.start, end, is_geometric=annealing.is_geometric)
    resumed = changed.resumed(annealing.to_json(), 500)
    assert [resumed.at(steps) for steps in (500, 700, 1000, 3000)] == [annealing.at(500)] * 4
    # A second resumption with the same end stays, and one with the first end moves on.
    assert changed.resumed(resumed.to_json(), 700) == resumed
    assert annealing.resumed(resumed.to_json(), 700).at(1000) == pytest.approx(annealing.end)


def test_before_the_first_step_any_end_is_reached():
    assert Annealing.over(1000, 1.0, 2.0).resumed(LR.to_json(), 0).at(1000) == 2.0


def test_another_start_is_a_new_choice():
    changed = Annealing.over(1000, 0.5, 0.1)
    assert changed.resumed(LR.to_json(), 500) == changed


def test_a_learner_with_a_larger_budget_neither_blurs_its_policy_nor_learns_faster(known, tmp_path):
    learner, longer, same = (make_learner(known, env_steps=budget) for budget in (6_000, 60_000, 6_000))
    before = [iteration.metrics["learner/sharpness"] for iteration in iterate(learner, 8)]
    lr = learner.annealed["lr"].at(learner.env_steps)
    learner.save(tmp_path, None)
    longer.restore(tmp_path)
    same.restore(tmp_path)
    assert longer.annealed["lr"].at(longer.env_steps) == lr
    after = [iteration.metrics["learner/sharpness"] for iteration in iterate(longer, 8)]
    assert (np.diff([*before, *after]) >= 0).all() and after[-1] < 18.0
    assert longer.annealed["lr"].at(longer.env_steps) < lr
    assert iterate(same, 8) == iterate(learner, 8)
