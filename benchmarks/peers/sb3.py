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
from benchmarks.timing import Clock
from benchmarks.workload import HIDDEN, Workload


class LabVecEnv(VecEnv):
    """The lab's vector environment as Stable-Baselines3 wants one: new episodes begin within the step.

    One call steps all. Where episodes end, the true last observation is in the info, and new ones begin at once; the
    lab's environment would do so on the next step, so that its own beginning is called here.
    """

    def __init__(self, env: BatteryVectorEnv) -> None:
        """Wrap an environment."""
        self.env = env
        super().__init__(env.num_envs, env.single_observation_space, env.single_action_space)

    def reset(self) -> NDArray[np.float32]:
        """Begin all episodes."""
        return self.env.reset()[0]

    def step_async(self, actions: NDArray[Any]) -> None:
        """Remember the actions."""
        self._given = actions

    def step_wait(self) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.bool_], list[dict[str, Any]]]:
        """Take the step."""
        observation, reward, terminated, truncated, _ = self.env.step(self._given)
        done, infos = terminated | truncated, [{} for _ in range(self.num_envs)]
        if done.any():
            for i in np.flatnonzero(done):
                infos[i] = {
                    "terminal_observation": observation[i].copy(),
                    "TimeLimit.truncated": bool(truncated[i] and not terminated[i]),
                }
            self.env._begin(done)
            self.env._done[:] = False
            observation = self.env._observer(self.env._row, self.env._energy)
        return observation, reward.astype(np.float32), done, infos

    def close(self) -> None:
        """Nothing is open."""

    def get_attr(self, attr_name: str, indices: Any = None) -> list[Any]:
        """Return an attribute for each environment."""
        return [getattr(self.env, attr_name)] * self.num_envs

    def set_attr(self, attr_name: str, value: Any, indices: Any = None) -> None:
        """Refuse: nobody needs it."""
        raise NotImplementedError

    def env_method(self, method_name: str, *args: Any, indices: Any = None, **kwargs: Any) -> list[Any]:
        """Refuse: nobody needs it."""
        raise NotImplementedError

    def env_is_wrapped(self, wrapper_class: Any, indices: Any = None) -> list[bool]:
        """No wrappers."""
        return [False] * self.num_envs


class SharedLayers(BaseFeaturesExtractor):
    """The hidden layers, below policy and value alike."""

    def __init__(self, observation_space: Any, hidden: Sequence[int] = HIDDEN) -> None:
        """Make the layers."""
        super().__init__(observation_space, hidden[-1])
        sizes = [observation_space.shape[0], *hidden]
        pairs = zip(sizes[:-1], sizes[1:], strict=True)
        self.net = nn.Sequential(*(layer for k, n in pairs for layer in (nn.Linear(k, n), nn.ReLU())))

    def forward(self, observation: Tensor) -> Tensor:
        """Return the features."""
        out: Tensor = self.net(observation)
        return out


class Marker(BaseCallback):
    """Marks the clock before each sampling, and ends the training when time is up."""

    def __init__(self, clock: Clock) -> None:
        """Take a clock."""
        super().__init__()
        self.clock, self._going = clock, True

    def _on_rollout_start(self) -> None:
        self._going = self.clock.mark(self.num_timesteps)

    def _on_step(self) -> bool:
        return self._going


def train(work: Workload, clock: Clock) -> None:
    """Train until time is up."""
    model = MODELS[work.algo](work, LabVecEnv(work.vector_env()))
    model.learn(10**9, callback=Marker(clock), log_interval=100)


def _ppo(work: Workload, env: VecEnv) -> PPO:
    options = work.options
    return PPO(
        "MlpPolicy",
        env,
        learning_rate=options["lr"],
        n_steps=work.fragment,
        batch_size=options["minibatch"],
        n_epochs=options["epochs"],
        gamma=options["gamma"],
        gae_lambda=options["gae_lambda"],
        clip_range=options["clip"],
        ent_coef=options["entropy_coeff"],
        vf_coef=options["value_coeff"],
        max_grad_norm=options["grad_clip"],
        policy_kwargs={"features_extractor_class": SharedLayers, "net_arch": []},
        seed=work.seed,
        device="cpu",
    )


def _off_policy(work: Workload) -> dict[str, Any]:
    options = work.options
    return {
        "policy_kwargs": {"net_arch": list(HIDDEN), "activation_fn": torch.nn.ReLU},
        "buffer_size": options["replay"]["capacity"],
        "learning_starts": options["learning_starts"],
        "batch_size": options["batch"],
        "gamma": options["gamma"],
        "train_freq": (work.fragment, "step"),
        "gradient_steps": work.updates,
        "seed": work.seed,
        "device": "cpu",
    }


def _dqn(work: Workload, env: VecEnv) -> DQN:
    options = work.options
    return DQN(
        "MlpPolicy",
        env,
        learning_rate=options["lr"],
        target_update_interval=options["target_update"],
        exploration_initial_eps=options["epsilon_start"],
        exploration_final_eps=options["epsilon_end"],
        max_grad_norm=options["grad_clip"],
        **_off_policy(work),
    )


def _sac(work: Workload, env: VecEnv) -> SAC:
    options = work.options
    return SAC(
        "MlpPolicy",
        env,
        learning_rate=options["critic_lr"],  # one for policy, critics and temperature
        ent_coef=f"auto_{options['initial_alpha']}",
        target_entropy=-options["target_entropy"],
        tau=options["tau"],
        **_off_policy(work),
    )


MODELS = {"ppo": _ppo, "dqn": _dqn, "sac": _sac}
