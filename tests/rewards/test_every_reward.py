"""Every YAML of conf/reward: composed, built, and checked against the contract of rewards."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hydra import compose, initialize_config_dir
from hydra.utils import instantiate
from omegaconf import DictConfig

from battery_lab.common.validated_options import options
from battery_lab.config.conf_folder import conf_dir
from battery_lab.envs.battery.reward_context import RewardContext
from battery_lab.envs.battery.transition_accounts import Transition
from battery_lab.planning import hindsight_value
from battery_lab.rewards.term import BoundTerm, Term
from battery_lab.rewards.weighted_terms import Shaping
from tests.rewards.contexts_and_transitions import make_context, random_dispatch
from tests.small_batteries_and_series import make_battery, wavy_prices

SHAPINGS = sorted(path.stem for path in (conf_dir() / "reward").glob("*.yaml"))
TERMS = sorted(path.stem for path in (conf_dir() / "reward" / "term").glob("*.yaml"))
BATTERY = make_battery(wear_per_mwh=10.0, grid_fee_per_mwh=2.0)
PRICES = wavy_prices(20)


def composed(*overrides: str) -> DictConfig:
    """Return the reward that the overrides compose."""
    with initialize_config_dir(str(conf_dir()), version_base="1.3"):
        config = compose(overrides=["+algo.gamma=0.97", "+train.env_steps=2e6", *overrides])
    assert isinstance(config.reward, DictConfig)
    return config.reward


def built(*overrides: str) -> Shaping:
    shaping = instantiate(composed(*overrides))
    assert isinstance(shaping, Shaping)
    return shaping


@pytest.fixture(scope="module")
def context() -> RewardContext:
    value = hindsight_value.hindsight(PRICES, BATTERY, 1 / 12)
    return make_context(PRICES, BATTERY, interval_h=1 / 12, value=value)


def test_documented_shapings_exist() -> None:
    named = {"revenue", "soc_penalty", "degradation", "published", "potential", "regret"}
    assert named <= set(SHAPINGS)


@pytest.mark.parametrize("name", SHAPINGS)
def test_shaping_gives_finite_rewards_of_suitable_size(name: str, context: RewardContext) -> None:
    shaping = built(f"+reward={name}").bind(context)
    done = random_dispatch(context, 64, seed=1)
    reward = shaping(done)
    assert reward.shape == (64,)
    assert reward.dtype == np.float64
    assert np.isfinite(reward).all()
    assert sum(shaping.take_log().values()) == pytest.approx(shaping.scale * reward.mean())
    assert 0.02 < reward.std() < 2.0, "rewards with the fitted scale have a size that algorithms can learn from"


@pytest.mark.parametrize("name", TERMS)
def test_term_can_be_added_and_changed_from_the_command_line(name: str, context: RewardContext) -> None:
    shaping = built("+reward=revenue", f"+reward/term=[{name}]", f"reward.terms.{name}.weight=0.25")
    assert set(shaping.terms) == {"revenue", name}
    assert shaping.terms[name].weight == 0.25
    assert np.isfinite(shaping.bind(context)(random_dispatch(context, 64, seed=2))).all()


@pytest.mark.parametrize("name", SHAPINGS)
def test_yaml_sets_every_field_of_its_terms(name: str) -> None:
    reward = composed(f"+reward={name}")
    for key, term in reward.terms.items():
        assert set(term) == {"_target_", *_fields(term)}, key


def _fields(term: Any) -> set[str]:
    return {field.name for field in dataclasses.fields(instantiate(term))}


def test_degradation_is_profit(context: RewardContext) -> None:
    shaping = built("+reward=degradation").bind(context)
    done = random_dispatch(context, 500, seed=3)
    assert shaping(done) * shaping.scale == pytest.approx(done.profit, rel=1e-12, abs=1e-9)


def test_published_is_revenue_minus_limit_penalty_minus_cycle_cost(context: RewardContext) -> None:
    shaping = built("+reward=published", "reward.scale=1").bind(context)
    done = random_dispatch(context, 2000, seed=4)
    battery, after = BATTERY, done.energy_after_mwh
    at_limit = np.isclose(after, battery.energy_min_mwh) | np.isclose(after, battery.energy_max_mwh)
    assert 0.005 < at_limit.mean() < 0.5
    cycles = np.maximum(done.energy_mwh - after, 0.0) / battery.capacity_mwh
    assert shaping(done) == pytest.approx(done.revenue - 10.0 * at_limit - 80.0 * cycles, abs=1e-6)


def _moves(context: RewardContext, row: int, price: float) -> Transition:
    """Return full charge, rest and full discharge from several levels, in some row at some price."""
    energy = np.tile(np.linspace(BATTERY.energy_min_mwh, BATTERY.energy_max_mwh, 41), 3)
    request = np.repeat([-BATTERY.power_mw, 0.0, BATTERY.power_mw], 41)
    power, after = BATTERY.step(energy, request, context.series.interval_h)
    return Transition(
        row=np.full(len(energy), row),
        price=np.full(len(energy), price),
        request_mw=request,
        power_mw=power,
        energy_mwh=energy,
        energy_after_mwh=after,
        interval_h=context.series.interval_h,
        battery=BATTERY,
    )


@pytest.mark.parametrize("name", TERMS)
def test_term_is_linear_in_the_price_exactly_if_it_says_so(name: str, context: RewardContext) -> None:
    term = built("+reward=revenue", f"+reward/term=[{name}]").terms[name]
    value = term.bind(context)
    at_zero = value(_moves(context, 100, 0.0))
    per_price = value(_moves(context, 100, 1.0)) - at_zero
    linear = all(
        np.allclose(value(_moves(context, row, price)), at_zero + per_price * price, rtol=1e-9, atol=1e-6)
        for row, price in ((100, 70.0), (2311, -40.0), (4000, 15_000.0))
    )
    assert linear == term.is_linear


def test_shaping_is_linear_if_all_of_its_terms_are(context: RewardContext) -> None:
    assert built("+reward=published").bind(context).is_linear
    assert not built("+reward=regret", "+reward/term=[revenue]").bind(context).is_linear


def test_gamma_and_anneal_steps_default_to_algorithm_and_budget() -> None:
    shaping = built("+reward=potential", "+reward/term=[exploration]")
    assert shaping.terms["potential"].gamma == 0.97  # type: ignore[attr-defined]
    assert shaping.terms["exploration"].anneal_steps == 2_000_000  # type: ignore[attr-defined]


def test_term_can_be_removed() -> None:
    assert set(built("+reward=degradation", "~reward.terms.wear").terms) == {"revenue", "grid_fee"}


@options("reward.terms.flat_bonus")
class FlatBonus(Term):
    """A term of a user."""

    money: float

    def bind(self, context: RewardContext) -> BoundTerm:
        return lambda done: np.full(len(done.row), self.money)


def test_user_term_needs_one_class_and_one_yaml(tmp_path: Path, context: RewardContext) -> None:
    folder = tmp_path / "reward" / "term"
    folder.mkdir(parents=True)
    target = f"{FlatBonus.__module__}.{FlatBonus.__name__}"
    text = f"# @package reward.terms.flat_bonus\n_target_: {target}\nweight: 1.0\nmoney: 7.0\n"
    (folder / "flat_bonus.yaml").write_text(text)
    search = f"hydra.searchpath=[file://{tmp_path}]"
    shaping = built(search, "+reward=revenue", "+reward/term=[flat_bonus]", "reward.scale=1").bind(context)
    done = random_dispatch(context, 5, seed=5)
    assert shaping(done) == pytest.approx(done.revenue + 7.0)
    assert shaping.take_log()["flat_bonus"] == pytest.approx(7.0)
