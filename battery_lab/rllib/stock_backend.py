"""RLlib's own parts, kept for comparison, with what they lack: seeds, checkpoints, an end to growing."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from ray.rllib.algorithms import dqn, sac
from ray.rllib.algorithms.ppo.torch.ppo_torch_learner import PPOTorchLearner
from ray.rllib.algorithms.sac.torch.sac_torch_learner import SACTorchLearner
from ray.rllib.utils.replay_buffers.episode_replay_buffer import EpisodeReplayBuffer
from ray.rllib.utils.replay_buffers.prioritized_episode_buffer import PrioritizedEpisodeReplayBuffer

GENERATOR, MEMORY = "battery_lab_generator", "battery_lab_memory"
TEMPERATURE, COEFFICIENTS = "battery_lab_log_alpha", "battery_lab_coefficients"


class _Seeded:
    """Draws from a seeded generator, and keeps its state in checkpoints; RLlib (2.60) does neither."""

    def __init__(self, *args: Any, seed: int, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.rng = np.random.default_rng(seed)

    def get_state(self) -> dict[str, Any]:
        return super().get_state() | {GENERATOR: self.rng.bit_generator.state}  # type: ignore[misc, no-any-return]

    def set_state(self, state: dict[str, Any]) -> None:
        super().set_state(state)  # type: ignore[misc]
        self.rng.bit_generator.state = state[GENERATOR]


class UniformReplay(_Seeded, EpisodeReplayBuffer):  # type: ignore[misc]
    """Every transition is as likely as any other.

    RLlib's own (2.60) throws out the oldest episode even when that is the one being appended to, and then reads past
    the end of its list of transitions: certain sooner or later where episodes are long and many run side by side. Here
    the whole batch is taken in first, without a limit, and then the oldest episodes go that nothing is appended to;
    episodes in progress stay whole, if need be beyond the capacity.
    """

    capacity: float
    _indices: list[tuple[int, int]]

    def add(self, episodes: Any) -> None:
        """Take in new episodes or further pieces of known ones, then drop the oldest beyond the capacity."""
        capacity, self.capacity = self.capacity, math.inf
        try:
            super().add(episodes)
        finally:
            self.capacity = capacity
        growing = {episode.id_ for episode in (episodes if isinstance(episodes, list) else [episodes])}
        self._drop_oldest(growing)

    def _drop_oldest(self, growing: set[str]) -> None:
        gone = 0
        while self._num_timesteps > self.capacity and len(self.episodes) > 1 and self.episodes[0].id_ not in growing:
            oldest = self.episodes.popleft()
            self._num_timesteps -= len(oldest)
            self.episode_id_to_index.pop(oldest.id_)
            self._num_episodes_evicted += 1
            gone += 1
        if gone:
            first = self._num_episodes_evicted
            self._indices = [place for place in self._indices if place[0] >= first]


class PrioritisedReplay(_Seeded, PrioritizedEpisodeReplayBuffer):  # type: ignore[misc]
    """A transition is drawn by its last error (Schaul et al. 2016)."""


SEEDED = {"EpisodeReplayBuffer": UniformReplay, "PrioritizedEpisodeReplayBuffer": PrioritisedReplay}


class SeededReplayMixin:
    """Gives an algorithm the seeded memory in place of RLlib's own, and keeps it in checkpoints.

    RLlib's own memory is chosen by name, and (2.60, new API stack) is in no checkpoint, ``store_buffer_in_checkpoints``
    or not.
    """

    local_replay_buffer: UniformReplay | PrioritisedReplay

    def get_state(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """Return RLlib's state and the memory's."""
        state: dict[str, Any] = super().get_state(*args, **kwargs)  # type: ignore[misc]
        return state | {MEMORY: self.local_replay_buffer.get_state()}

    def set_state(self, state: dict[str, Any]) -> None:
        """Restore what ``get_state`` gave."""
        super().set_state(state)  # type: ignore[misc]
        if MEMORY in state:
            self.local_replay_buffer.set_state(state[MEMORY])

    def _create_local_replay_buffer_if_necessary(self, config: Any) -> Any:
        options = dict(config["replay_buffer_config"])
        smoothing = config["metrics_num_episodes_for_smoothing"]
        return SEEDED[options.pop("type")](**options, metrics_num_episodes_for_smoothing=smoothing)


class StockDQN(SeededReplayMixin, dqn.DQN):  # type: ignore[misc]
    """RLlib's DQN with a memory that repeats."""


class StockSAC(SeededReplayMixin, sac.SAC):  # type: ignore[misc]
    """RLlib's SAC with a memory that repeats."""


class KeepsCoefficients(PPOTorchLearner):  # type: ignore[misc]
    """Keeps PPO's weights of entropy and divergence in checkpoints; RLlib (2.60) begins them anew."""

    def get_state(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """Return RLlib's state and the coefficients."""
        state: dict[str, Any] = super().get_state(*args, **kwargs)
        found = {}
        for name in list(self.module.keys()):
            entropy = self.entropy_coeff_schedulers_per_module[name].get_current_value()
            found[name] = (float(entropy), float(self.curr_kl_coeffs_per_module[name]))
        return state | {COEFFICIENTS: found}

    def set_state(self, state: dict[str, Any]) -> None:
        """Restore what ``get_state`` gave."""
        super().set_state(state)
        for name, (entropy, divergence) in state.get(COEFFICIENTS, {}).items():
            schedule = self.entropy_coeff_schedulers_per_module[name]
            if schedule.use_schedule:
                schedule._curr_value.fill_(entropy)
            self.curr_kl_coeffs_per_module[name].fill_(divergence)


class KeepsTemperature(SACTorchLearner):  # type: ignore[misc]
    """Keeps SAC's temperature in checkpoints; RLlib (2.60) saves its optimiser and not the temperature itself."""

    def get_state(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """Return RLlib's state and the temperatures."""
        state: dict[str, Any] = super().get_state(*args, **kwargs)
        temperatures = {name: float(value.detach()) for name, value in self.curr_log_alpha.items()}
        return state | {TEMPERATURE: temperatures}

    def set_state(self, state: dict[str, Any]) -> None:
        """Restore what ``get_state`` gave."""
        super().set_state(state)
        with torch.no_grad():
            for name, value in state.get(TEMPERATURE, {}).items():
                self.curr_log_alpha[name].fill_(value)


def replay_config(capacity: int, prioritised: bool, alpha: float, beta: float, seed: int) -> dict[str, Any]:
    """Return RLlib's configuration of its memory."""
    if not prioritised:
        return {"type": "EpisodeReplayBuffer", "capacity": capacity, "seed": seed}
    priority = {"alpha": alpha, "beta": beta}
    return {"type": "PrioritizedEpisodeReplayBuffer", "capacity": capacity, "seed": seed} | priority
