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
from tests.rllib.numbered import NumberedRunner, ReferenceReplay, sampled_transitions

OPTIONS = {"seed": 0, "n_step": 1, "gamma": 0.9, "alpha": 0.6, "beta": 0.4, "runners": 1, "prioritised": False}


def memory_of(**options):
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
    memory = memory_of(capacity=capacity, n_step=n_step, runners=2, prioritised=prioritised)
    reference = ReferenceReplay(max(capacity // (2 * num_envs), n_step + 2), n_step, 0.9)
    for number, rows, restart in script:
        if restart:
            runners[number].restart()
        fragment = runners[number].fragment(rows)
        memory.add([fragment])
        reference.add(fragment)
    expected = reference.transitions()
    assert len(memory) == len(expected)
    if expected:
        # With so many samples, the probability that one of at most 100 transitions is missing is about e^-20.
        transitions, _ = sampled_transitions(memory.sample(25 * len(expected)))
        assert transitions == expected


def test_restarted_runner_does_not_continue_old_rows():
    memory, runner = memory_of(n_step=5), NumberedRunner(num_envs=1, end_rate=0)
    memory.add([runner.fragment(3)])
    runner.restart()
    memory.add([runner.fragment(2)])
    transitions, _ = sampled_transitions(memory.sample(500))
    assert len(memory) == len(transitions) == 5
    for (_, start, _, row), (_, new, _, terminated, steps) in transitions.items():
        assert new[1] == start
        assert (new[3], steps) == ((3, 3 - row) if start == 0 else (2, 2 - row))
        assert not terminated


def test_n_step_sums_stop_at_the_end_of_an_episode():
    memory, fragment = memory_of(n_step=3), NumberedRunner(num_envs=1, end_rate=0).fragment(4)
    truncated = np.array([[False], [True], [False], [False]])
    memory.add([replace(fragment, truncated=truncated)])
    transitions, _ = sampled_transitions(memory.sample(200))
    assert [transitions[0, 0, 0, row][1][3] for row in range(4)] == [2, 2, 4, 4]


def test_parts_of_a_fragment_are_joined():
    memory, runner = memory_of(n_step=4), NumberedRunner(num_envs=1, end_rate=0)
    fragment = runner.fragment(6)
    memory.add([fragment[:4], fragment.slice(slice(4, None))])
    assert sampled_transitions(memory.sample(300))[0][0, 0, 0, 2][1] == (0, 0, 0, 6)


def test_sampling_is_uniform():
    memory = memory_of(capacity=120, runners=2)
    full, partial = NumberedRunner(1, 3, end_rate=0.2), NumberedRunner(2, 3, end_rate=0.2)
    memory.add([full.fragment(7) for _ in range(9)] + [partial.fragment(5)])
    counts = np.array(list(sampled_transitions(memory.sample(100_000))[1].values()))
    assert len(counts) == len(memory)
    assert not is_unlikely(counts, np.ones(len(counts)))


@pytest.mark.parametrize("alpha", [0.0, 0.6, 1.0])
def test_sampling_follows_priorities(alpha):
    memory, runner = memory_of(prioritised=True, alpha=alpha, beta=0.7), NumberedRunner(end_rate=0.2)
    memory.add([runner.fragment(60)])
    memory.update_priorities(error(memory.sample(5_000)["obs"]))
    batch = memory.sample(100_000)
    _, counts = sampled_transitions(batch)
    priorities = (error(np.array(list(counts))) + 1e-6) ** alpha
    assert len(counts) == len(memory)
    assert not is_unlikely(np.array(list(counts.values())), priorities)
    # Schaul et al. (2016), divided by the largest weight in the whole buffer.
    probability = priorities / priorities.sum()
    weights = (len(memory) * probability) ** -0.7
    of_obs = dict(zip(counts, weights / weights.max(), strict=True))
    np.testing.assert_allclose(batch["weights"], [of_obs[tuple(obs)] for obs in batch["obs"]], rtol=1e-5)


def error(obs):
    """Return an error per numbered observation; all differ."""
    return 0.1 + (obs[:, 3] * 7 + obs[:, 2] * 3) % 11


def test_new_transitions_get_the_largest_priority():
    memory, runner = memory_of(prioritised=True, alpha=1.0, beta=1.0), NumberedRunner(num_envs=1, end_rate=0)
    memory.add([runner.fragment(4)])
    memory.update_priorities(np.full(len(memory.sample(64)["obs"]), 8.0))
    memory.update_priorities(np.full(len(memory.sample(64)["obs"]), 2.0))
    memory.add([runner.fragment(4)])
    batch = memory.sample(1_000)
    new = batch["obs"][:, 3] >= 4
    np.testing.assert_allclose(batch["weights"], np.where(new, 2 / 8, 1), rtol=1e-5)
    assert new.mean() == pytest.approx(0.8, abs=0.01)


def test_uniform_weights_are_one():
    memory = memory_of()
    memory.add([NumberedRunner().fragment(9)])
    batch = memory.sample(7)
    assert (batch["weights"] == 1).all()
    memory.update_priorities(np.ones(7))
    dtypes = {name: column.dtype.str[1:] for name, column in batch.items()}
    floats = dict.fromkeys(("obs", "new_obs", "rewards", "n_step", "weights"), "f4")
    assert dtypes == floats | {"actions": "i8", "terminateds": "b1"}


def test_shapes_and_types_of_pixels_and_actions_are_kept():
    memory, runner = memory_of(), NumberedRunner(num_envs=2, end_rate=0)
    fragment = runner.fragment(5)
    pixels = np.arange(6 * 2 * 12).reshape(6, 2, 3, 4).astype(np.uint8)
    actions = np.random.default_rng(0).normal(size=(5, 2, 2)).astype(np.float32)
    memory.add([replace(fragment, obs=pixels, actions=actions)])
    batch = memory.sample(50)
    assert batch["obs"].dtype == np.uint8
    np.testing.assert_array_equal(batch["new_obs"], batch["obs"] + 24)
    np.testing.assert_array_equal(batch["actions"], actions.reshape(-1, 2)[batch["obs"][:, 0, 0] // 12])


def test_sample_is_a_copy():
    memory, runner = memory_of(capacity=8), NumberedRunner(end_rate=0)
    memory.add([runner.fragment(4)])
    batch = memory.sample(32)
    before = {name: column.copy() for name, column in batch.items()}
    memory.add([runner.fragment(9)])
    assert all((batch[name] == before[name]).all() for name in batch)


def test_samples_follow_the_seed():
    fragment = NumberedRunner().fragment(30)
    samples = []
    for seed in (1, 1, 2):
        memory = memory_of(seed=seed)
        memory.add([fragment])
        samples.append(memory.sample(64)["obs"])
    assert (samples[0] == samples[1]).all()
    assert (samples[0] != samples[2]).any()


@pytest.mark.parametrize("prioritised", [False, True])
def test_a_million_small_observations_fit_in_a_gibibyte(prioritised):
    memory, runner = memory_of(capacity=1_000_000, prioritised=prioritised), NumberedRunner(num_envs=64, end_rate=0)
    assert memory.nbytes == 0
    fragment = runner.fragment(2)
    memory.add([replace(fragment, obs=np.zeros((3, 64, 70), np.float32))])
    assert 1_000_000 * 70 * 4 < memory.nbytes < 0.35 * 2**30
    size = "0.30" if prioritised else "0.27"
    text = f"replay buffer of 1,000,000 transitions, 70 numbers per observation, {size} GiB when full"
    assert memory.describe() == text


def test_sampling_an_empty_buffer_fails():
    memory = memory_of()
    assert len(memory) == 0
    with pytest.raises(ValueError, match="empty"):
        memory.sample(1)


def test_sampling_a_buffer_of_resets_fails():
    memory, fragment = memory_of(prioritised=True), NumberedRunner(end_rate=0).fragment(1)
    memory.add([replace(fragment, valid=np.zeros((1, 2), bool))])
    with pytest.raises(ValueError, match="empty"):
        memory.sample(1)


def test_infinite_and_nan_errors_keep_priorities():
    memory = memory_of(prioritised=True)
    memory.add([NumberedRunner().fragment(9)])
    memory.sample(2)
    first, second = memory._sampled
    before = memory._priorities.tree.values.copy()
    memory.update_priorities(np.array([0.5, np.nan]))
    after = memory._priorities.tree.values
    assert after[first] != before[first] and after[second] == before[second]
    memory.update_priorities(np.array([np.inf, -np.inf]))
    assert np.array_equal(memory._priorities.tree.values, after) and np.isfinite(memory._priorities.largest)


def test_observations_of_another_shape_are_rejected():
    memory, runner = memory_of(), NumberedRunner()
    memory.add([runner.fragment(3)])
    fragment = runner.fragment(3)
    with pytest.raises(DataError, match=r"needs 2 environments, observations \(4,\) <f4.*has 2 .* \(3,\)"):
        memory.add([replace(fragment, obs=fragment.obs[..., :3])])


def test_more_runners_than_expected_are_rejected():
    memory = memory_of(runners=2)
    memory.add([NumberedRunner(number).fragment(3) for number in (1, 2)])
    with pytest.raises(DataError, match=r"2 runners, \[1, 2\], but runner 3 is one more"):
        memory.add([NumberedRunner(3).fragment(3)])


@pytest.mark.parametrize("name", ["capacity", "n_step", "runners"])
def test_size_of_zero_is_rejected(name):
    with pytest.raises(ConfigError, match=name):
        memory_of(**{name: 0})
