"""Trial identity: equal for trials with the same options, values and data, wherever they are."""

from __future__ import annotations

from copy import deepcopy

import pytest
from omegaconf import OmegaConf

from battery_lab.common.added_options import ADDED_OPTIONS
from battery_lab.config.compose import compose
from battery_lab.sweep.trial_identity import contents_digest, run_digest, trial_identity

TRIAL = {"seed": 0, "algo": {"lr": 1e-3}, "market": {"path": "prices", "zone": "VIC1"}, "outputs": "outputs"}


@pytest.fixture(autouse=True)
def clear_caches():
    contents_digest.cache_clear()
    yield
    contents_digest.cache_clear()


@pytest.fixture
def prices(tmp_path):
    folder = tmp_path / "prices"
    folder.mkdir()
    (folder / "a.csv").write_text("1,2\n")
    return folder


def with_path(path):
    return TRIAL | {"market": {"path": path, "zone": "VIC1"}}


@pytest.mark.parametrize(
    "change", [{"outputs": "elsewhere"}, {"resume": "x"}, {"tracking": {"uri": "x"}}, {"sweep": {"tries": 3}}]
)
def test_options_that_do_not_affect_results_do_not_count(change):
    assert trial_identity(TRIAL | change) == trial_identity(TRIAL)


@pytest.mark.parametrize("change", [{"seed": 1}, {"algo": {"lr": 2e-3}}, {"algo": {"lr": 1e-3, "more": 1}}])
def test_changed_values_count(change):
    assert trial_identity(TRIAL | change) != trial_identity(TRIAL)


@pytest.mark.parametrize("is_package", [True, False])
def test_changed_modules_outside_the_lab_change_the_identity(tmp_path, monkeypatch, is_package):
    monkeypatch.syspath_prepend(tmp_path)
    folder = tmp_path / "my_rewards"
    folder.mkdir()
    for name in ["calm.py", "shared.py", *["__init__.py"] * is_package]:
        (folder / name).write_text("a = 1\n")
    trial = TRIAL | {"reward": {"_target_": "my_rewards.calm.Calm"}}
    first = trial_identity(trial)
    assert trial_identity(trial) == first
    contents_digest.cache_clear()
    (folder / "shared.py").write_text("a = 2\n")
    assert trial_identity(trial) != first


def test_renamed_classes_and_added_options_keep_the_identity():
    before = TRIAL | {
        "algo": {"_target_": "battery_lab.algos.ppo.PPO"},
        "world": {"_target_": "battery_lab.battery.Battery"},
    }
    now = {"_target_": "battery_lab.algos.ppo.PPO", "min_batches": 0}
    renamed = {"algo": now, "world": {"_target_": "battery_lab.envs.battery.physics.Battery"}}
    assert trial_identity(TRIAL | renamed) == trial_identity(before)
    assert trial_identity(TRIAL | renamed | {"algo": now | {"min_batches": 60}}) != trial_identity(before)


@pytest.mark.parametrize("value", [3.0, 12.0, None])
def test_options_that_only_refuse_data_keep_the_identity(value):
    env = {"_target_": "battery_lab.envs.battery.environment.BatteryMarket", "test_days": 365}
    # As the composed default trial of this version, and as that of the version before the option.
    assert trial_identity(TRIAL | {"env": env | {"max_filled_h": value}}) == trial_identity(TRIAL | {"env": env})
    assert trial_identity(TRIAL | {"env": env | {"test_days": 364}}) != trial_identity(TRIAL | {"env": env})


def test_prices_of_discrete_bids_count_only_with_bids():
    env = {"_target_": "battery_lab.envs.battery.environment.BatteryMarket", "actions": "auto"}
    assert trial_identity(TRIAL | {"env": env | {"bid_levels": 5}}) == trial_identity(TRIAL | {"env": env})
    env["actions"] = "bids"
    assert trial_identity(TRIAL | {"env": env | {"bid_levels": 5}}) != trial_identity(TRIAL | {"env": env})
    assert trial_identity(TRIAL | {"env": env | {"bid_levels": 9}}) == trial_identity(TRIAL | {"env": env})


def test_how_forecasts_err_counts_only_if_they_are_issued():
    market = {"_target_": "battery_lab.market.synthetic_prices.synthetic_market.SyntheticMarket", "seed": 0}
    off = market | {"vintages": False, "forecaster": {"slow_mw": 1.0}}
    assert trial_identity(TRIAL | {"market": off}) == trial_identity(TRIAL | {"market": market})
    on, other = (off | {"vintages": True, "forecaster": {"slow_mw": mw}} for mw in (1.0, 2.0))
    assert len({trial_identity(TRIAL | {"market": each}) for each in (off, on, other)}) == 3


def test_the_default_trial_has_the_identity_of_a_version_without_added_options():
    now = OmegaConf.to_container(compose([]), resolve=True)
    before = deepcopy(now)
    for part in [before["env"], before["battery"], before["market"], before["train"]]:
        for option in (*ADDED_OPTIONS[part["_target_"]],):
            part.pop(option, None)
    assert trial_identity(now) == trial_identity(before)


def test_moved_data_keep_the_identity(prices, tmp_path):
    first = trial_identity(with_path(str(prices)))
    moved = prices.rename(tmp_path / "moved")
    assert trial_identity(with_path(str(moved))) == first != trial_identity(TRIAL)


@pytest.mark.parametrize("change", ["content", "name", "more"])
def test_changed_data_change_the_identity(prices, change):
    first = trial_identity(with_path(str(prices)))
    contents_digest.cache_clear()
    if change == "content":
        (prices / "a.csv").write_text("1,3\n")
    if change == "name":
        (prices / "a.csv").rename(prices / "b.csv")
    if change == "more":
        (prices / "b.csv").write_text("")
    assert trial_identity(with_path(str(prices))) != first


@pytest.mark.parametrize("paths", ["{}/*.csv", ["{}/a.csv", "{}/c.csv"]])
def test_patterns_and_lists_of_paths_count_as_their_files(prices, paths):
    (prices / "c.csv").write_text("5\n")
    trial = with_path([path.format(prices) for path in paths] if isinstance(paths, list) else paths.format(prices))
    first = trial_identity(trial)
    contents_digest.cache_clear()
    (prices / "c.csv").write_text("6\n")
    assert trial_identity(trial) != first


def test_only_path_keys_are_read_as_files(prices, monkeypatch):
    monkeypatch.chdir(prices.parent)
    first = trial_identity({"name": "prices", "algo": "prices"})
    (prices / "a.csv").write_text("1,3\n")
    contents_digest.cache_clear()
    assert trial_identity({"name": "prices", "algo": "prices"}) == first


def test_run_digest_depends_on_the_files_that_others_resume_from(tmp_path):
    runs = {}
    for name in ("first", "with_test_look", "with_older_checkpoint", "other_policy"):
        run = runs[name] = tmp_path / name
        for file in ("trial.yaml", "policy/policy.json", "checkpoints/000000000512/state.json"):
            (run / file).parent.mkdir(parents=True, exist_ok=True)
            (run / file).write_text("{}")
    (runs["with_test_look"] / "test_looks.jsonl").write_text("{}")
    older = runs["with_older_checkpoint"] / "checkpoints" / "000000000256"
    older.mkdir()
    (older / "state.json").write_text("{}")
    (runs["other_policy"] / "policy" / "policy.json").write_text("other")
    digests = {name: run_digest(run) for name, run in runs.items()}
    assert digests["first"] == digests["with_test_look"] == digests["with_older_checkpoint"]
    assert digests["first"] != digests["other_policy"]
