"""A runner that steps all of its environments with one call and keeps what they do in arrays."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from functools import cached_property
from typing import Any

import gymnasium as gym
import numpy as np
import torch
from gymnasium.vector import AutoresetMode, VectorEnv
from numpy.typing import NDArray
from ray.rllib.callbacks.callbacks import RLlibCallback
from ray.rllib.core.columns import Columns
from ray.rllib.utils.spaces.space_utils import clip_action, get_base_struct_from_space, unsquash_action

from battery_lab.common.errors import ConfigError
from battery_lab.rllib.learners.distributions import distribution
from battery_lab.rllib.process_resources import keep_freed_memory, torch_threads
from battery_lab.rllib.runners.action_sampling import drawn, exploring, likeliest
from battery_lab.rllib.runners.checkpointed_runner import LabEnvRunner
from battery_lab.rllib.runners.episode_returns import finished
from battery_lab.rllib.runners.fragment import Fragment, Rows

# Products of a forward pass from which on it pays to wake a second thread for them.
WORTH_THREADS = 20_000_000
UNSEEN_CALLBACKS = ("on_episode_created", "on_episode_start", "on_episode_step", "on_episode_end")


class ArrayEnvRunner(LabEnvRunner):
    """RLlib's runner without an object an environment and step: a sampling returns one Fragment.

    The module, its exploration and its distributions are RLlib's own; connectors, callbacks on single steps and
    modules with a state are not gone through, and are refused rather than left out.
    """

    def __init__(self, *, config: Any, **kwargs: Any) -> None:
        """Make the environments and the module.

        Raises:
            ConfigError: the configuration asks for what only RLlib's own runner does.
        """
        keep_freed_memory()
        super().__init__(config=config, **kwargs)
        learner: Any = config.learner_class
        self._needed = learner.outputs(config) if hasattr(learner, "outputs") else ()
        self._row = 0
        self._obs: NDArray[Any] = np.empty(0)
        self._resetting: NDArray[np.bool_] = np.empty(0, np.bool_)
        if self.env is not None:
            self._check()

    def _wrapped(self, env: VectorEnv[Any, Any, Any]) -> VectorEnv[Any, Any, Any]:
        return env

    def _check(self) -> None:
        mode = self.env.unwrapped.metadata.get("autoreset_mode")
        hooks = [name for one in self._callbacks for name in UNSEEN_CALLBACKS if _overridden(one, name)]
        hooks += [name for name in UNSEEN_CALLBACKS if getattr(self.config, f"callbacks_{name}", None)]
        space = self.env.single_observation_space
        for wrong, what in (
            (mode != AutoresetMode.NEXT_STEP, f"environments that reset by {mode}, not on the next step"),
            (not isinstance(space, gym.spaces.Box), f"observations of {space}"),
            (self.config._env_to_module_connector is not None, "connectors between environment and module"),
            (self.config._module_to_env_connector is not None, "connectors between module and environment"),
            (bool(hooks), f"callbacks on single episodes and steps ({', '.join(hooks)})"),
            (self.module is not None and self.module.is_stateful(), "modules with a state"),
            (self.config.restart_failed_sub_environments, "restarting of failed environments"),
        ):
            if wrong:
                raise ConfigError(f"rollout=array does not do {what}: choose rollout=stock, which does")

    def sample(self, **kwargs: Any) -> list[Fragment]:
        """Sample as many steps or episodes as RLlib's runner would; returns one Fragment."""
        with torch_threads(torch.get_num_threads() if self._worth_threads else 1):
            samples: list[Fragment] = super().sample(**kwargs)
        return samples

    @cached_property
    def _worth_threads(self) -> bool:
        """Whether acting is work enough for several threads, which sleep while the environments step."""
        weights = sum(parameter.numel() for parameter in self.module.parameters()) if self.module is not None else 0
        return self.num_envs * weights >= WORTH_THREADS

    def _sample(
        self,
        *,
        num_timesteps: int | None = None,
        num_episodes: int | None = None,
        explore: bool,
        random_actions: bool = False,
        force_reset: bool = False,
    ) -> list[Fragment]:
        if force_reset or num_episodes is not None or self._needs_initial_reset:
            self._begin()
        self._needs_initial_reset = num_episodes is not None
        wanted = num_timesteps if num_timesteps is not None else 0
        if self.module is not None:
            self.module.eval()
            # Anew each time, as a module may have been given hooks meanwhile.
            self._exploring, self._dist = exploring(self.module), self.module.get_exploration_action_dist_cls()
        rows = Rows(max(1, -(-wanted // self.num_envs)) + 1, self._obs)
        steps = episodes = 0
        with torch.inference_mode():
            while steps < wanted if num_episodes is None else episodes < num_episodes:
                action, outputs = self._act(rows.obs[rows.count], explore, steps, random_actions)
                stepped: Any = self.env.step(self._for_env(action))
                observation, reward, terminated, truncated, _ = stepped
                valid = ~self._resetting
                rows.add(observation, action, reward, terminated, truncated, valid, outputs)
                self._resetting = terminated | truncated
                steps += int(np.count_nonzero(valid))
                episodes += int(np.count_nonzero(self._resetting))
        self._obs = rows.obs[rows.count].copy()
        fragment = rows.fragment(self.worker_index or 0, self._row)
        fragment = replace(fragment, outputs=self._outputs(fragment))
        if num_episodes is not None:
            fragment, episodes = fragment.of_first_episodes(num_episodes), num_episodes
        self._row += rows.count
        self._follow(fragment)
        self._log_env_steps(metric=self._metrics_num_env_steps_sampled, num_steps=steps)
        self._increase_sampled_metrics(steps, episodes)
        return [fragment]

    def _begin(self) -> None:
        """Reset all environments; the trial's seed counts once."""
        observation, _ = self._try_env_reset(seed=self._seed if self._needs_initial_reset else None)
        # What was left in the middle does not go on here: a gap in the count of rows says so.
        self._row += self._row > 0
        self._obs = np.asarray(observation)
        self._resetting = np.zeros(self.num_envs, np.bool_)
        self._return, self._length = np.zeros(self.num_envs), np.zeros(self.num_envs, np.int64)
        self._begun = np.full(self.num_envs, time.perf_counter())

    def _act(
        self, obs: NDArray[Any], explore: bool, steps: int, at_random: bool
    ) -> tuple[NDArray[Any], dict[str, NDArray[np.float32]]]:
        """Return the actions, (N, ...), and what the learner wants to know of them."""
        if at_random:
            return np.asarray(self.env.action_space.sample()), {}
        batch = {Columns.OBS: torch.from_numpy(obs).to(self._device)}
        if not explore:
            out = self.module._forward_inference(batch)
        else:
            runners = self.config.num_env_runners or 1
            out = self._exploring(batch, (self.num_env_steps_sampled_lifetime // runners + steps) * runners)
        if Columns.ACTIONS in out:
            return out[Columns.ACTIONS].cpu().numpy(), {n: out[n].cpu().numpy() for n in self._needed if n in out}
        inputs = out[Columns.ACTION_DIST_INPUTS]
        if not explore:
            return likeliest(self.module, inputs).cpu().numpy(), {}
        action = drawn(self._dist, inputs)
        return action.cpu().numpy(), {Columns.ACTION_DIST_INPUTS: inputs.cpu().numpy()} if self._needed else {}

    def _outputs(self, fragment: Fragment) -> dict[str, NDArray[np.float32]]:
        """Return what the learner wants to know of all actions, in one go."""
        found = dict(fragment.outputs)
        inputs = found.get(Columns.ACTION_DIST_INPUTS)
        if inputs is not None and Columns.ACTION_LOGP in set(self._needed) - set(found):
            rows, actions = (torch.from_numpy(a.reshape(-1, *a.shape[2:])) for a in (inputs, fragment.actions))
            logp = distribution(self._dist, rows).logp(actions)
            found[Columns.ACTION_LOGP] = logp.numpy().reshape(fragment.valid.shape)
        return {name: found[name] for name in self._needed if name in found}

    def _for_env(self, action: NDArray[Any]) -> NDArray[Any]:
        """Return actions within the bounds of the environment, as RLlib's configuration asks."""
        space = self.env.single_action_space
        if not isinstance(space, gym.spaces.Box):
            return action
        struct = get_base_struct_from_space(space)
        if self.config.normalize_actions:
            return np.asarray(unsquash_action(action, struct))
        return np.asarray(clip_action(action, struct)) if self.config.clip_actions else action

    def _follow(self, fragment: Fragment) -> None:
        """Add rows to the episodes in progress and log those that ended."""
        found = finished(fragment.rewards, fragment.valid, fragment.ended, self._return, self._length)
        now = time.perf_counter()
        for n, length, earned in zip(*found, strict=True):
            self._log_episode_metrics(int(length), float(earned), now - self._begun[n])
            self._begun[n] = now

    def _sampling_state(self) -> dict[str, Any]:
        kept = {name: getattr(self, name).copy() for name in ("_obs", "_resetting", "_return", "_length")}
        return {"env": self.env.unwrapped.get_state(), "row": self._row, "arrays": kept}

    def _set_sampling_state(self, state: Mapping[str, Any]) -> None:
        self.env.unwrapped.set_state(state["env"])
        self._row = state["row"]
        for name, values in state["arrays"].items():
            setattr(self, name, values.copy())
        self._begun = np.full(self.num_envs, time.perf_counter())


def _overridden(callback: RLlibCallback, name: str) -> bool:
    return getattr(type(callback), name) is not getattr(RLlibCallback, name)
