"""Array runner: steps all environments with one call and stores the result in arrays."""

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
from battery_lab.rllib.learners.fast_categorical import distribution
from battery_lab.rllib.runners.action_sampling import greedy_actions, sample_actions
from battery_lab.rllib.runners.checkpointed_runner import CheckpointedEnvRunner
from battery_lab.rllib.runners.episode_returns import finished_episodes
from battery_lab.rllib.runners.exploration_forward import exploration_forward
from battery_lab.rllib.runners.fragment import Fragment, FragmentBuilder
from battery_lab.rllib.threads_and_malloc import keep_freed_memory, torch_threads

# Multiplications per forward pass above which a second thread pays off.
MIN_THREADED_PRODUCTS = 20_000_000
UNSUPPORTED_CALLBACKS = ("on_episode_created", "on_episode_start", "on_episode_step", "on_episode_end")


class ArrayEnvRunner(CheckpointedEnvRunner):
    """RLlib's runner without an object per environment and step: ``sample`` returns one Fragment.

    The module, its exploration and its distributions are RLlib's own. Connectors, callbacks on single steps and
    stateful modules are not supported: they raise an error.
    """

    def __init__(self, *, config: Any, **kwargs: Any) -> None:
        """Make the environments and the module.

        Raises:
            ConfigError: the configuration needs a feature that only RLlib's own runner has.
        """
        keep_freed_memory()
        super().__init__(config=config, **kwargs)
        learner: Any = config.learner_class
        self._output_columns = learner.outputs(config) if hasattr(learner, "outputs") else ()
        self._row = 0
        self._obs: NDArray[Any] = np.empty(0)
        self._resetting: NDArray[np.bool_] = np.empty(0, np.bool_)
        if self.env is not None:
            self._check_supported()

    def _wrap(self, env: VectorEnv[Any, Any, Any]) -> VectorEnv[Any, Any, Any]:
        return env

    def _check_supported(self) -> None:
        mode = self.env.unwrapped.metadata.get("autoreset_mode")
        hooks = [name for callback in self._callbacks for name in UNSUPPORTED_CALLBACKS if _overridden(callback, name)]
        hooks += [name for name in UNSUPPORTED_CALLBACKS if getattr(self.config, f"callbacks_{name}", None)]
        space = self.env.single_observation_space
        for used, feature in (
            (mode != AutoresetMode.NEXT_STEP, f"environments with autoreset mode {mode} instead of NEXT_STEP"),
            (not isinstance(space, gym.spaces.Box), f"observations of {space}"),
            (self.config._env_to_module_connector is not None, "connectors between environment and module"),
            (self.config._module_to_env_connector is not None, "connectors between module and environment"),
            (bool(hooks), f"callbacks on single episodes and steps ({', '.join(hooks)})"),
            (self.module is not None and self.module.is_stateful(), "stateful modules"),
            (self.config.restart_failed_sub_environments, "restarts of failed environments"),
        ):
            if used:
                raise ConfigError(f"rollout=array does not support {feature}: use rollout=stock, which does")

    def sample(self, **kwargs: Any) -> list[Fragment]:
        """Sample as many steps or episodes as RLlib's runner would, and return them as one Fragment."""
        with torch_threads(torch.get_num_threads() if self._use_threads else 1):
            samples: list[Fragment] = super().sample(**kwargs)
        return samples

    @cached_property
    def _use_threads(self) -> bool:
        """Whether a forward pass is large enough for several threads."""
        weights = sum(parameter.numel() for parameter in self.module.parameters()) if self.module is not None else 0
        return self.num_envs * weights >= MIN_THREADED_PRODUCTS

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
            self._reset_all()
        self._needs_initial_reset = num_episodes is not None
        target_steps = num_timesteps if num_timesteps is not None else 0
        if self.module is not None:
            self.module.eval()
            # Rebuilt for each sample, because hooks may have been registered on the module since.
            self._explore, self._dist = exploration_forward(self.module), self.module.get_exploration_action_dist_cls()
        rows = FragmentBuilder(max(1, -(-target_steps // self.num_envs)) + 1, self._obs)
        steps = episodes = 0
        with torch.inference_mode():
            while steps < target_steps if num_episodes is None else episodes < num_episodes:
                action, outputs = self._act(rows.obs[rows.count], explore, steps, random_actions)
                step: Any = self.env.step(self._to_env_action(action))
                observation, reward, terminated, truncated, _ = step
                valid = ~self._resetting
                rows.add(observation, action, reward, terminated, truncated, valid, outputs)
                self._resetting = terminated | truncated
                steps += int(np.count_nonzero(valid))
                episodes += int(np.count_nonzero(self._resetting))
        self._obs = rows.obs[rows.count].copy()
        fragment = rows.fragment(self.worker_index or 0, self._row)
        fragment = replace(fragment, outputs=self._outputs(fragment))
        if num_episodes is not None:
            fragment, episodes = fragment.first_episodes(num_episodes), num_episodes
        self._row += rows.count
        self._log_finished_episodes(fragment)
        self._log_env_steps(metric=self._metrics_num_env_steps_sampled, num_steps=steps)
        self._increase_sampled_metrics(steps, episodes)
        return [fragment]

    def _reset_all(self) -> None:
        """Reset all environments; only the first reset uses the seed."""
        observation, _ = self._try_env_reset(seed=self._seed if self._needs_initial_reset else None)
        # Episodes in progress are cut off here: a gap in the row numbers marks it.
        self._row += self._row > 0
        self._obs = np.asarray(observation)
        self._resetting = np.zeros(self.num_envs, np.bool_)
        self._return, self._length = np.zeros(self.num_envs), np.zeros(self.num_envs, np.int64)
        self._episode_start = np.full(self.num_envs, time.perf_counter())

    def _act(
        self, obs: NDArray[Any], explore: bool, steps: int, random_actions: bool
    ) -> tuple[NDArray[Any], dict[str, NDArray[np.float32]]]:
        """Return the actions, (N, ...), and the outputs of the module that the learner needs."""
        if random_actions:
            return np.asarray(self.env.action_space.sample()), {}
        batch = {Columns.OBS: torch.from_numpy(obs).to(self._device)}
        if not explore:
            out = self.module._forward_inference(batch)
        else:
            runners = self.config.num_env_runners or 1
            out = self._explore(batch, (self.num_env_steps_sampled_lifetime // runners + steps) * runners)
        if Columns.ACTIONS in out:
            outputs = {name: out[name].cpu().numpy() for name in self._output_columns if name in out}
            return out[Columns.ACTIONS].cpu().numpy(), outputs
        inputs = out[Columns.ACTION_DIST_INPUTS]
        if not explore:
            return greedy_actions(self.module, inputs).cpu().numpy(), {}
        action = sample_actions(self._dist, inputs)
        return action.cpu().numpy(), {Columns.ACTION_DIST_INPUTS: inputs.cpu().numpy()} if self._output_columns else {}

    def _outputs(self, fragment: Fragment) -> dict[str, NDArray[np.float32]]:
        """Return the outputs that the learner needs, with log-probabilities of all actions computed at once."""
        outputs = dict(fragment.outputs)
        inputs = outputs.get(Columns.ACTION_DIST_INPUTS)
        if inputs is not None and Columns.ACTION_LOGP in set(self._output_columns) - set(outputs):
            rows, actions = (torch.from_numpy(a.reshape(-1, *a.shape[2:])) for a in (inputs, fragment.actions))
            logp = distribution(self._dist, rows).logp(actions)
            outputs[Columns.ACTION_LOGP] = logp.numpy().reshape(fragment.valid.shape)
        return {name: outputs[name] for name in self._output_columns if name in outputs}

    def _to_env_action(self, action: NDArray[Any]) -> NDArray[Any]:
        """Return actions unsquashed or clipped to the bounds of the environment, as RLlib's configuration says."""
        space = self.env.single_action_space
        if not isinstance(space, gym.spaces.Box):
            return action
        struct = get_base_struct_from_space(space)
        if self.config.normalize_actions:
            return np.asarray(unsquash_action(action, struct))
        return np.asarray(clip_action(action, struct)) if self.config.clip_actions else action

    def _log_finished_episodes(self, fragment: Fragment) -> None:
        """Add rows to the episodes in progress and log the ones that ended."""
        episodes = finished_episodes(fragment.rewards, fragment.valid, fragment.ended, self._return, self._length)
        now = time.perf_counter()
        for n, length, total in zip(*episodes, strict=True):
            self._log_episode_metrics(int(length), float(total), now - self._episode_start[n])
            self._episode_start[n] = now

    def _sampling_state(self) -> dict[str, Any]:
        # Stored runs have these names.
        arrays = {name: getattr(self, name).copy() for name in ("_obs", "_resetting", "_return", "_length")}
        return {"env": self.env.unwrapped.get_state(), "row": self._row, "arrays": arrays}

    def _set_sampling_state(self, state: Mapping[str, Any]) -> None:
        self.env.unwrapped.set_state(state["env"])
        self._row = state["row"]
        for name, values in state["arrays"].items():
            setattr(self, name, values.copy())
        self._episode_start = np.full(self.num_envs, time.perf_counter())


def _overridden(callback: RLlibCallback, name: str) -> bool:
    return getattr(type(callback), name) is not getattr(RLlibCallback, name)
