"""Stock replay buffer: what it keeps when it is full, and equal samples after a restore."""

from __future__ import annotations

import numpy as np
import pytest
from ray.rllib.env.single_agent_episode import SingleAgentEpisode

from battery_lab.rllib.stock_replay_algorithms import UniformReplay


def chunk(name, first, length, done=False):
    """Return ``length`` steps of an episode from step ``first``; observation and reward hold the step number."""
    steps = np.arange(first, first + length + 1, dtype=np.float32)
    return SingleAgentEpisode(
        id_=name,
        observations=list(steps[:, None]),
        actions=[0] * length,
        rewards=list(steps[:-1]),
        infos=[{}] * (length + 1),
        terminated=False,
        truncated=done,
        t_started=first,
        len_lookback_buffer=0,
    ).to_numpy()


def filled(capacity, rounds=60, parallel=8, length=40, fragment=4):
    """Return a buffer after parallel long episodes, each added in small chunks."""
    replay = UniformReplay(capacity=capacity, seed=0)
    steps = [0] * parallel
    length_of = [length - fragment * (k % 5) for k in range(parallel)]
    number = list(range(parallel))
    for _ in range(rounds):
        batch = []
        for k in range(parallel):
            done = steps[k] + fragment >= length_of[k]
            batch.append(chunk(f"episode {number[k]}", steps[k], fragment, done))
            steps[k] = 0 if done else steps[k] + fragment
            number[k] += parallel if done else 0
        replay.add(batch)
    return replay


@pytest.mark.parametrize("capacity", [10, 77, 150, 400, 10_000])
def test_full_buffer_keeps_whole_recent_episodes(capacity):
    replay = filled(capacity)
    kept = sum(len(episode) for episode in replay.episodes)
    assert kept == replay.get_num_timesteps() == len(replay._indices)
    # Eight episodes of 40 steps may be in progress beyond the capacity.
    assert kept <= max(capacity, 2 * 8 * 40)
    for place, step in replay._indices:
        episode = replay.episodes[place - replay._num_episodes_evicted]
        assert replay.episode_id_to_index[episode.id_] == place
        assert 0 <= step < len(episode)
    samples = replay.sample(num_items=64, n_step=1, gamma=0.9, sample_episodes=True)
    assert len(samples) == 64


def test_restored_buffer_samples_the_same():
    replay, other = filled(150), UniformReplay(capacity=150, seed=99)
    other.set_state(replay.get_state())
    for _ in range(3):
        one, two = (m.sample(num_items=16, n_step=1, gamma=0.9, sample_episodes=True) for m in (replay, other))
        assert [list(e.get_rewards()) for e in one] == [list(e.get_rewards()) for e in two]
