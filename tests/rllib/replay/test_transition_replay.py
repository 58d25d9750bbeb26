"""Replay buffer: it samples true transitions with the right probabilities, and reports its memory."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chi2

from battery_lab.common.errors import ConfigError, DataError
from battery_lab.rllib.replay.transition_replay import TransitionReplay
from tests.rllib.numbered_runner import NumberedRunner
from tests.rllib.reference_replay import ReferenceReplay, sampled_transitions

OPTIONS = {"seed": 0, "n_step": 1, "gamma": 0.9, "alpha": 0.6, "beta": 0.4, "runners": 1, "prioritised": False}


def make_replay(**options):
    return TransitionReplay(**{"capacity": 100} | OPTIONS | options)


def is_unlikely(counts, shares):
    """Whether a chi-squared test rejects that counts follow the shares, at a significance of 0.001."""
    expected = shares / shares.sum() * counts.sum()
    return ((counts - expected) ** 2 / expected).sum() > chi2.ppf(0.999, len(counts) - 1)


@settings(max_examples=50)
@given(
    script=st.lists(st.tuples(st.integers(0, 1), st.integers(1, 9), st.booleans()), min_size=1, max_size=20),
    num_envs=st.integers(1, 3),
    n_step=st.integers(1, 4),
    capacity=st.integers(1, 80),
    end_rate=st.sampled_from([0, 0.1, 0.5]),
    prioritised=st.booleans(),
)
def test_samples_are_true_transitions(script, num_envs, n_step, capacity, end_rate, prioritised):
    runners = [NumberedRunner(number + 1, num_envs, number, end_rate) for number in range(2)]
    replay = make_replay(capacity=capacity, n_step=n_step, runners=2, prioritised=prioritised)
    reference = ReferenceReplay(max(capacity // (2 * num_envs), n_step + 2), n_step, 0.9)
    for number, rows, restart in script:
        if restart:
            runners[number].restart()
        fragment = runners[number].fragment(rows)
        replay.add([fragment])
        reference.add(fragment)
    expected = reference.transitions()
    assert len(replay) == len(expected)
    if expected:
        # With so many samples, the probability that one of at most 100 transitions is missing is about e^-20.
        transitions, _ = sampled_transitions(replay.sample(25 * len(expected)))
        assert transitions == expected


def test_restarted_runner_does_not_continue_old_rows():
    replay, runner = make_replay(n_step=5), NumberedRunner(num_envs=1, end_rate=0)
    replay.add([runner.fragment(3)])
    runner.restart()
    replay.add([runner.fragment(2)])
    transitions, _ = sampled_transitions(replay.sample(500))
    assert len(replay) == len(transitions) == 5
    for (_, start, _, row), (_, new, _, terminated, steps) in transitions.items():
        assert new[1] == start
        assert (new[3], steps) == ((3, 3 - row) if start == 0 else (2, 2 - row))
        assert not terminated


def test_n_step_sums_stop_at_the_end_of_an_episode():
    replay, fragment = make_replay(n_step=3), NumberedRunner(num_envs=1, end_rate=0).fragment(4)
    truncated = np.array([[False], [True], [False], [False]])
    replay.add([replace(fragment, truncated=truncated)])
    transitions, _ = sampled_transitions(replay.sample(200))
    assert [transitions[0, 0, 0, row][1][3] for row in range(4)] == [2, 2, 4, 4]


def test_parts_of_a_fragment_are_joined():
    replay, runner = make_replay(n_step=4), NumberedRunner(num_envs=1, end_rate=0)
    fragment = runner.fragment(6)
    replay.add([fragment[:4], fragment.slice(slice(4, None))])
    assert sampled_transitions(replay.sample(300))[0][0, 0, 0, 2][1] == (0, 0, 0, 6)


def test_sampling_is_uniform():
    replay = make_replay(capacity=120, runners=2)
    full, partial = NumberedRunner(1, 3, end_rate=0.2), NumberedRunner(2, 3, end_rate=0.2)
    replay.add([full.fragment(7) for _ in range(9)] + [partial.fragment(5)])
    counts = np.array(list(sampled_transitions(replay.sample(100_000))[1].values()))
    assert len(counts) == len(replay)
    assert not is_unlikely(counts, np.ones(len(counts)))


@pytest.mark.parametrize("alpha", [0.0, 0.6, 1.0])
def test_sampling_follows_priorities(alpha):
    replay, runner = make_replay(prioritised=True, alpha=alpha, beta=0.7), NumberedRunner(end_rate=0.2)
    replay.add([runner.fragment(60)])
    replay.update_priorities(error(replay.sample(5_000)["obs"]))
    batch = replay.sample(100_000)
    _, counts = sampled_transitions(batch)
    priorities = (error(np.array(list(counts))) + 1e-6) ** alpha
    assert len(counts) == len(replay)
    assert not is_unlikely(np.array(list(counts.values())), priorities)
    # Schaul et al. (2016), divided by the largest weight in the whole buffer.
    probability = priorities / priorities.sum()
    weights = (len(replay) * probability) ** -0.7
    of_obs = dict(zip(counts, weights / weights.max(), strict=True))
    np.testing.assert_allclose(batch["weights"], [of_obs[tuple(obs)] for obs in batch["obs"]], rtol=1e-5)


def error(obs):
    """Return an error per numbered observation; all differ."""
    return 0.1 + (obs[:, 3] * 7 + obs[:, 2] * 3) % 11


def test_new_transitions_get_the_largest_priority():
    replay, runner = make_replay(prioritised=True, alpha=1.0, beta=1.0), NumberedRunner(num_envs=1, end_rate=0)
    replay.add([runner.fragment(4)])
    replay.update_priorities(np.full(len(replay.sample(64)["obs"]), 8.0))
    replay.update_priorities(np.full(len(replay.sample(64)["obs"]), 2.0))
    replay.add([runner.fragment(4)])
    batch = replay.sample(1_000)
    new = batch["obs"][:, 3] >= 4
    np.testing.assert_allclose(batch["weights"], np.where(new, 2 / 8, 1), rtol=1e-5)
    assert new.mean() == pytest.approx(0.8, abs=0.01)


def test_uniform_weights_are_one():
    replay = make_replay()
    replay.add([NumberedRunner().fragment(9)])
    batch = replay.sample(7)
    assert (batch["weights"] == 1).all()
    replay.update_priorities(np.ones(7))
    dtypes = {name: column.dtype.str[1:] for name, column in batch.items()}
    floats = dict.fromkeys(("obs", "new_obs", "rewards", "n_step", "weights"), "f4")
    assert dtypes == floats | {"actions": "i8", "terminateds": "b1"}


def test_shapes_and_types_of_pixels_and_actions_are_kept():
    replay, runner = make_replay(), NumberedRunner(num_envs=2, end_rate=0)
    fragment = runner.fragment(5)
    pixels = np.arange(6 * 2 * 12).reshape(6, 2, 3, 4).astype(np.uint8)
    actions = np.random.default_rng(0).normal(size=(5, 2, 2)).astype(np.float32)
    replay.add([replace(fragment, obs=pixels, actions=actions)])
    batch = replay.sample(50)
    assert batch["obs"].dtype == np.uint8
    np.testing.assert_array_equal(batch["new_obs"], batch["obs"] + 24)
    np.testing.assert_array_equal(batch["actions"], actions.reshape(-1, 2)[batch["obs"][:, 0, 0] // 12])


def test_sample_is_a_copy():
    replay, runner = make_replay(capacity=8), NumberedRunner(end_rate=0)
    replay.add([runner.fragment(4)])
    batch = replay.sample(32)
    before = {name: column.copy() for name, column in batch.items()}
    replay.add([runner.fragment(9)])
    assert all((batch[name] == before[name]).all() for name in batch)


def test_samples_follow_the_seed():
    fragment = NumberedRunner().fragment(30)
    samples = []
    for seed in (1, 1, 2):
        replay = make_replay(seed=seed)
        replay.add([fragment])
        samples.append(replay.sample(64)["obs"])
    assert (samples[0] == samples[1]).all()
    assert (samples[0] != samples[2]).any()


@pytest.mark.parametrize("prioritised", [False, True])
def test_a_million_small_observations_fit_in_a_gibibyte(prioritised):
    replay, runner = make_replay(capacity=1_000_000, prioritised=prioritised), NumberedRunner(num_envs=64, end_rate=0)
    assert replay.nbytes == 0
    fragment = runner.fragment(2)
    replay.add([replace(fragment, obs=np.zeros((3, 64, 70), np.float32))])
    assert 1_000_000 * 70 * 4 < replay.nbytes < 0.35 * 2**30
    size = "0.30" if prioritised else "0.27"
    text = f"replay buffer of 1,000,000 transitions, 70 numbers per observation, {size} GiB when full"
    assert replay.describe() == text


def test_sampling_an_empty_buffer_fails():
    replay = make_replay()
    assert len(replay) == 0
    with pytest.raises(ValueError, match="empty"):
        replay.sample(1)


def test_sampling_a_buffer_of_resets_fails():
    replay, fragment = make_replay(prioritised=True), NumberedRunner(end_rate=0).fragment(1)
    replay.add([replace(fragment, valid=np.zeros((1, 2), bool))])
    with pytest.raises(ValueError, match="empty"):
        replay.sample(1)


def test_observations_of_another_shape_are_rejected():
    replay, runner = make_replay(), NumberedRunner()
    replay.add([runner.fragment(3)])
    fragment = runner.fragment(3)
    with pytest.raises(DataError, match=r"needs 2 environments, observations \(4,\) <f4.*has 2 .* \(3,\)"):
        replay.add([replace(fragment, obs=fragment.obs[..., :3])])


def test_more_runners_than_expected_are_rejected():
    replay = make_replay(runners=2)
    replay.add([NumberedRunner(number).fragment(3) for number in (1, 2)])
    with pytest.raises(DataError, match=r"2 env runners, \[1, 2\], but env runner 3 is one more"):
        replay.add([NumberedRunner(3).fragment(3)])


@pytest.mark.parametrize("name", ["capacity", "n_step", "runners"])
def test_size_of_zero_is_rejected(name):
    with pytest.raises(ConfigError, match=name):
        make_replay(**{name: 0})
