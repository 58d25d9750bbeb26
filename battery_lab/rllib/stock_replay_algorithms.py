"""Stock replay algorithms: RLlib's DQN, SAC and replay buffers, with seeds, full checkpoints and a capacity limit."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from ray.rllib.algorithms import dqn, sac
from ray.rllib.utils.replay_buffers.episode_replay_buffer import EpisodeReplayBuffer
from ray.rllib.utils.replay_buffers.prioritized_episode_buffer import PrioritizedEpisodeReplayBuffer

GENERATOR, MEMORY = "battery_lab_generator", "battery_lab_memory"


class _SeededReplay:
    """Samples from a seeded generator and keeps its state in checkpoints, which RLlib (2.60) does not."""

    def __init__(self, *args: Any, seed: int, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.rng = np.random.default_rng(seed)

    def get_state(self) -> dict[str, Any]:
        return super().get_state() | {GENERATOR: self.rng.bit_generator.state}  # type: ignore[misc, no-any-return]

    def set_state(self, state: dict[str, Any]) -> None:
        super().set_state(state)  # type: ignore[misc]
        self.rng.bit_generator.state = state[GENERATOR]


class UniformReplay(_SeededReplay, EpisodeReplayBuffer):  # type: ignore[misc]
    """Samples transitions uniformly.

    RLlib's buffer (2.60) evicts the oldest episode even while steps are appended to it, and then reads past the end of
    its list of transitions. This happens sooner or later if many long episodes run in parallel. This class first adds
    the whole batch without a limit, and then evicts the oldest finished episodes. Episodes in progress stay whole, even
    beyond the capacity.
    """

    capacity: float
    _indices: list[tuple[int, int]]

    def add(self, episodes: Any) -> None:
        """Add new episodes or further chunks of known ones, then evict the oldest beyond the capacity."""
        capacity, self.capacity = self.capacity, math.inf
        try:
            super().add(episodes)
        finally:
            self.capacity = capacity
        in_progress = {episode.id_ for episode in (episodes if isinstance(episodes, list) else [episodes])}
        self._evict_oldest(in_progress)

    def _evict_oldest(self, in_progress: set[str]) -> None:
        evicted = 0
        while (
            self._num_timesteps > self.capacity and len(self.episodes) > 1 and self.episodes[0].id_ not in in_progress
        ):
            oldest = self.episodes.popleft()
            self._num_timesteps -= len(oldest)
            self.episode_id_to_index.pop(oldest.id_)
            self._num_episodes_evicted += 1
            evicted += 1
        if evicted:
            first = self._num_episodes_evicted
            self._indices = [place for place in self._indices if place[0] >= first]


class PrioritisedReplay(_SeededReplay, PrioritizedEpisodeReplayBuffer):  # type: ignore[misc]
    """Samples transitions by their last TD error (Schaul et al. 2016)."""


REPLAY_BUFFERS = {"EpisodeReplayBuffer": UniformReplay, "PrioritizedEpisodeReplayBuffer": PrioritisedReplay}


class SeededReplayMixin:
    """Uses a seeded replay buffer in place of RLlib's own, and keeps it in checkpoints.

    RLlib chooses its buffer by name, and (2.60, new API stack) never stores it in checkpoints, whatever
    ``store_buffer_in_checkpoints`` says.
    """

    local_replay_buffer: UniformReplay | PrioritisedReplay

    def get_state(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """Return RLlib's state and the state of the replay buffer."""
        state: dict[str, Any] = super().get_state(*args, **kwargs)  # type: ignore[misc]
        return state | {MEMORY: self.local_replay_buffer.get_state()}

    def set_state(self, state: dict[str, Any]) -> None:
        """Restore a state that ``get_state`` returned."""
        super().set_state(state)  # type: ignore[misc]
        if MEMORY in state:
            self.local_replay_buffer.set_state(state[MEMORY])

    def _create_local_replay_buffer_if_necessary(self, config: Any) -> Any:
        options = dict(config["replay_buffer_config"])
        smoothing = config["metrics_num_episodes_for_smoothing"]
        return REPLAY_BUFFERS[options.pop("type")](**options, metrics_num_episodes_for_smoothing=smoothing)


class StockDQN(SeededReplayMixin, dqn.DQN):  # type: ignore[misc]
    """RLlib's DQN with a reproducible replay buffer."""


class StockSAC(SeededReplayMixin, sac.SAC):  # type: ignore[misc]
    """RLlib's SAC with a reproducible replay buffer."""


def replay_config(capacity: int, prioritised: bool, alpha: float, beta: float, seed: int) -> dict[str, Any]:
    """Return RLlib's configuration of its replay buffer."""
    if not prioritised:
        return {"type": "EpisodeReplayBuffer", "capacity": capacity, "seed": seed}
    exponents = {"alpha": alpha, "beta": beta}
    return {"type": "PrioritizedEpisodeReplayBuffer", "capacity": capacity, "seed": seed} | exponents
