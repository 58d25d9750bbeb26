"""Small RLlib algorithms on CartPole or on a scripted environment."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.vector import AutoresetMode
from gymnasium.vector.utils import batch_space
from ray.rllib.algorithms.algorithm_config import AlgorithmConfig
from ray.rllib.core.columns import Columns
from ray.rllib.env.single_agent_episode import SingleAgentEpisode

from battery_lab.rllib.gradient_step.autograd import compute_gradients, trainable_parameters
from battery_lab.rllib.ray_runtime import start_ray
from battery_lab.rllib.rollout_backends import ArrayBackend, StockBackend
from battery_lab.rllib.runners.checkpointed_runner import EnvPlaceholder


class ScriptedEnv(gym.vector.VectorEnv):
    """Episodes of fixed lengths that terminate or are truncated; an observation is (environment, episode, step)."""

    metadata = {"autoreset_mode": AutoresetMode.NEXT_STEP}

    def __init__(self, lengths, terminates, num_envs=2, box=False):
        """Make environments whose episodes have the given lengths in turn."""
        self.num_envs = num_envs
        self.lengths, self.terminates = lengths, terminates
        self.single_observation_space = gym.spaces.Box(-np.inf, np.inf, (3,), np.float32)
        self.single_action_space = gym.spaces.Box(-1, 1, (1,)) if box else gym.spaces.Discrete(3)
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)

    def reset(self, *, seed=None, options=None):
        self.episode = np.zeros(self.num_envs, np.int64)
        self.age = np.zeros(self.num_envs, np.int64)
        self.over = np.zeros(self.num_envs, bool)
        return self._seen(), {}

    def step(self, actions):
        again = self.over.copy()
        self.episode[again] += 1
        self.age = np.where(again, 0, self.age + 1)
        length = np.array(self.lengths)[self.episode % len(self.lengths)]
        self.over = (self.age >= length) & ~again
        terminal = np.array(self.terminates)[self.episode % len(self.terminates)]
        reward = np.where(again, 0.0, self.age + 10.0 * self.episode)
        return self._seen(), reward, self.over & terminal, self.over & ~terminal, {}

    def _seen(self):
        return np.stack([np.arange(self.num_envs), self.episode, self.age], axis=1).astype(np.float32)

    def take_log(self) -> dict[str, float]:
        return {}

    def get_state(self) -> dict[str, Any]:
        return {"episode": self.episode.copy(), "age": self.age.copy(), "over": self.over.copy()}

    def set_state(self, state: dict[str, Any]) -> None:
        self.episode, self.age, self.over = (state[name].copy() for name in ("episode", "age", "over"))


def cart_poles(num_envs: int, seed: int) -> gym.vector.VectorEnv:
    """Make a vectorized CartPole."""
    return gym.make_vec("CartPole-v1", num_envs=num_envs, vectorization_mode="vector_entry_point")


def array_backend() -> ArrayBackend:
    """Return the array backend without compilation."""
    return ArrayBackend(compile=False, compile_after=0, compile_after_off_policy=0, cache="")


def configured(
    config: AlgorithmConfig, make_env: Any = cart_poles, array: bool = True, **runners: Any
) -> AlgorithmConfig:
    """Return a small configuration with the classes of the array or the stock backend."""
    start_ray(0)
    backend = array_backend() if array else StockBackend()
    parts = backend.parts(config.algo_class, gradient_steps=0)
    config.algo_class = parts.algorithm or config.algo_class
    settings = {
        "num_env_runners": 0,
        "num_envs_per_env_runner": 4,
        "rollout_fragment_length": 32,
        "sample_timeout_s": 600,
    } | runners
    return (
        config.environment(EnvPlaceholder, env_config={"make_env": make_env, "seed": 0})
        .env_runners(env_runner_cls=parts.runner, gym_env_vectorize_mode="vector_entry_point", **settings)
        .learners(num_learners=0, **({"learner_class": parts.learner} if parts.learner else {}))
        .rl_module(model_config={"fcnet_hiddens": [16, 16]} | config._model_config)
        .debugging(seed=0, log_level="ERROR")
    )


def gradients_of(learner: Any, minibatch: Any) -> Any:
    """Compute the gradients of a learner's losses, and return the figures."""
    coefficients = learner.coefficients()
    parameters = trainable_parameters(learner._rl_module, coefficients)
    return compute_gradients(learner.loss_function(), learner._rl_module, parameters, minibatch, coefficients)


def episodes_of(fragment: Any) -> list[SingleAgentEpisode]:
    """Split a fragment into RLlib's episodes, finished ones first, as RLlib's runner returns them."""
    done, in_progress = [], []
    for n in range(fragment.valid.shape[1]):
        start = 0
        while start < len(fragment.valid):
            if not fragment.valid[start, n]:
                start += 1
                continue
            ends = np.flatnonzero(fragment.ended[start:, n])
            stop = start + int(ends[0]) + 1 if len(ends) else len(fragment.valid)
            episode = _episode(fragment, n, start, stop)
            (done if episode.is_done else in_progress).append(episode)
            start = stop
    return done + in_progress


def _episode(fragment: Any, n: int, start: int, stop: int) -> SingleAgentEpisode:
    outputs = {name: list(values[start:stop, n]) for name, values in fragment.outputs.items()}
    return SingleAgentEpisode(
        observations=list(fragment.obs[start : stop + 1, n]),
        actions=list(fragment.actions[start:stop, n]),
        rewards=list(fragment.rewards[start:stop, n]),
        infos=[{}] * (stop - start + 1),
        terminated=bool(fragment.terminated[stop - 1, n]),
        truncated=bool(fragment.truncated[stop - 1, n]),
        extra_model_outputs=outputs,
        len_lookback_buffer=0,
    ).to_numpy()


def by_columns(episodes: list[SingleAgentEpisode]) -> dict[str, np.ndarray]:
    """Return the concatenated transitions of episodes."""
    return {
        Columns.OBS: np.concatenate([episode.get_observations(slice(0, -1)) for episode in episodes]),
        Columns.ACTIONS: np.concatenate([episode.get_actions() for episode in episodes]),
        Columns.REWARDS: np.concatenate([episode.get_rewards() for episode in episodes]),
    }
