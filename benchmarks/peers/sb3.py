"""Stable-Baselines3 on the lab's vector environment."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from stable_baselines3 import DQN, PPO, SAC
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor
from stable_baselines3.common.vec_env import VecEnv
from torch import Tensor, nn

from battery_lab.envs.battery.vector_env import BatteryVectorEnv
from benchmarks.clock_and_rates import Clock
from benchmarks.workload import HIDDEN, Workload


class LabVecEnv(VecEnv):
    """The lab's vector environment with the interface of Stable-Baselines3, which resets within the step.

    One call steps all environments. Where an episode ends, its last observation is in the info, and the next episode
    starts in the same call. The lab's environment resets on the next step, so its reset is called here.
    """

    def __init__(self, env: BatteryVectorEnv) -> None:
        self.env = env
        super().__init__(env.num_envs, env.single_observation_space, env.single_action_space)

    def reset(self) -> NDArray[np.float32]:
        """Reset all environments."""
        return self.env.reset()[0]

    def step_async(self, actions: NDArray[Any]) -> None:
        """Store the actions."""
        self._actions = actions

    def step_wait(self) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.bool_], list[dict[str, Any]]]:
        """Step all environments, and reset those whose episode ended."""
        observation, reward, terminated, truncated, _ = self.env.step(self._actions)
        done, infos = terminated | truncated, [{} for _ in range(self.num_envs)]
        if done.any():
            for i in np.flatnonzero(done):
                infos[i] = {
                    "terminal_observation": observation[i].copy(),
                    "TimeLimit.truncated": bool(truncated[i] and not terminated[i]),
                }
            self.env._start(done)
            self.env._done[:] = False
            observation = self.env._observer(self.env._row, self.env._energy)
        return observation, reward.astype(np.float32), done, infos

    def close(self) -> None:
        """Do nothing."""

    def get_attr(self, attr_name: str, indices: Any = None) -> list[Any]:
        """Return an attribute for each environment."""
        return [getattr(self.env, attr_name)] * self.num_envs

    def set_attr(self, attr_name: str, value: Any, indices: Any = None) -> None:
        """Not supported."""
        raise NotImplementedError

    def env_method(self, method_name: str, *args: Any, indices: Any = None, **kwargs: Any) -> list[Any]:
        """Not supported."""
        raise NotImplementedError

    def env_is_wrapped(self, wrapper_class: Any, indices: Any = None) -> list[bool]:
        """Return False: there are no wrappers."""
        return [False] * self.num_envs


class SharedLayers(BaseFeaturesExtractor):
    """Hidden layers shared by policy and value."""

    def __init__(self, observation_space: Any, hidden: Sequence[int] = HIDDEN) -> None:
        super().__init__(observation_space, hidden[-1])
        sizes = [observation_space.shape[0], *hidden]
        pairs = zip(sizes[:-1], sizes[1:], strict=True)
        self.net = nn.Sequential(*(layer for k, n in pairs for layer in (nn.Linear(k, n), nn.ReLU())))

    def forward(self, observation: Tensor) -> Tensor:
        """Return the features."""
        features: Tensor = self.net(observation)
        return features


class Marker(BaseCallback):
    """Marks the clock before each sampling, and ends training when the time is up."""

    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self.clock, self._continues = clock, True

    def _on_rollout_start(self) -> None:
        self._continues = self.clock.mark(self.num_timesteps)

    def _on_step(self) -> bool:
        return self._continues


def train(workload: Workload, clock: Clock) -> None:
    """Train until the clock ends."""
    model = MODELS[workload.algo](workload, LabVecEnv(workload.vector_env()))
    model.learn(10**9, callback=Marker(clock), log_interval=100)


def _ppo(workload: Workload, env: VecEnv) -> PPO:
    options = workload.options
    return PPO(
        "MlpPolicy",
        env,
        learning_rate=options["lr"],
        n_steps=workload.fragment,
        batch_size=options["minibatch"],
        n_epochs=options["epochs"],
        gamma=options["gamma"],
        gae_lambda=options["gae_lambda"],
        clip_range=options["clip"],
        ent_coef=options["entropy_coeff"],
        vf_coef=options["value_coeff"],
        max_grad_norm=options["grad_clip"],
        policy_kwargs={"features_extractor_class": SharedLayers, "net_arch": []},
        seed=workload.seed,
        device="cpu",
    )


def _off_policy(workload: Workload) -> dict[str, Any]:
    options = workload.options
    return {
        "policy_kwargs": {"net_arch": list(HIDDEN), "activation_fn": torch.nn.ReLU},
        "buffer_size": options["replay"]["capacity"],
        "learning_starts": options["learning_starts"],
        "batch_size": options["batch"],
        "gamma": options["gamma"],
        "train_freq": (workload.fragment, "step"),
        "gradient_steps": workload.updates,
        "seed": workload.seed,
        "device": "cpu",
    }


def _dqn(workload: Workload, env: VecEnv) -> DQN:
    options = workload.options
    return DQN(
        "MlpPolicy",
        env,
        learning_rate=options["lr"],
        target_update_interval=options["target_update"],
        exploration_initial_eps=options["epsilon_start"],
        exploration_final_eps=options["epsilon_end"],
        max_grad_norm=options["grad_clip"],
        **_off_policy(workload),
    )


def _sac(workload: Workload, env: VecEnv) -> SAC:
    options = workload.options
    return SAC(
        "MlpPolicy",
        env,
        learning_rate=options["critic_lr"],  # Shared by policy, critics and temperature.
        ent_coef=f"auto_{options['initial_alpha']}",
        target_entropy=-options["target_entropy"],
        tau=options["tau"],
        **_off_policy(workload),
    )


MODELS = {"ppo": _ppo, "dqn": _dqn, "sac": _sac}
