"""A runner that steps all of its environments with one call and keeps what they do in arrays."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import gymnasium as gym
import numpy as np
import torch
from gymnasium.vector import AutoresetMode
from numpy.typing import NDArray
from ray.rllib.callbacks.callbacks import RLlibCallback
from ray.rllib.core.columns import Columns
from ray.rllib.core.distribution.torch.torch_distribution import TorchCategorical, TorchSquashedGaussian
from ray.rllib.utils.spaces.space_utils import clip_action, get_base_struct_from_space, unsquash_action

from battery_lab.errors import ConfigError
from battery_lab.rollout.fragment import Fragment
from battery_lab.rollout.runner import LabEnvRunner

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
        super().__init__(config=config, **kwargs)
        learner: Any = config.learner_class
        self._needed = learner.outputs(config) if hasattr(learner, "outputs") else ()
        self._row = 0
        self._obs: NDArray[Any] = np.empty(0)
        self._resetting: NDArray[np.bool_] = np.empty(0, np.bool_)
        if self.env is not None:
            self._check()

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
        ):
            if wrong:
                raise ConfigError(f"rollout=array does not do {what}: choose rollout=stock, which does")

    def sample(self, **kwargs: Any) -> list[Fragment]:
        """Sample as many steps or episodes as RLlib's runner would; returns one Fragment."""
        samples: list[Fragment] = super().sample(**kwargs)
        return samples

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
        self.module.eval()
        rows = _Rows(max(1, -(-wanted // self.num_envs)) + 1, self._obs)
        steps = episodes = 0
        while steps < wanted if num_episodes is None else episodes < num_episodes:
            action, outputs = self._act(rows.obs[rows.count], explore, steps, random_actions)
            stepped: Any = self.env.step(self._for_env(action))
            observation, reward, terminated, truncated, _ = stepped
            valid = ~self._resetting
            rows.add(observation, action, reward, terminated, truncated, valid, outputs)
            self._resetting = np.logical_or(terminated, truncated)
            steps += int(np.count_nonzero(valid))
            episodes += self._follow(rows.rewards[rows.count - 1], valid)
        self._obs = rows.obs[rows.count].copy()
        fragment = rows.fragment(self.worker_index or 0, self._row, self._weights_seq_no)
        fragment = replace(fragment, outputs=self._outputs(fragment))
        self._row += rows.count
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
        with torch.no_grad():
            # Not the methods around these, which go through all of the module at each call to set its mode.
            if not explore:
                out = self.module._forward_inference(batch)
            else:
                runners = self.config.num_env_runners or 1
                lifetime = (self.num_env_steps_sampled_lifetime // runners + steps) * runners
                out = self.module._forward_exploration(batch, t=lifetime)
            if Columns.ACTIONS in out:
                return out[Columns.ACTIONS].cpu().numpy(), {}
            inputs = out[Columns.ACTION_DIST_INPUTS]
            if not explore:
                return _most_likely(self.module, inputs).cpu().numpy(), {}
            action = _drawn(self.module.get_exploration_action_dist_cls(), inputs)
        return action.cpu().numpy(), {Columns.ACTION_DIST_INPUTS: inputs.cpu().numpy()} if self._needed else {}

    def _outputs(self, fragment: Fragment) -> dict[str, NDArray[np.float32]]:
        """Return what the learner wants to know of all actions, in one go."""
        if Columns.ACTION_DIST_INPUTS not in fragment.outputs:
            return {}
        inputs = fragment.outputs[Columns.ACTION_DIST_INPUTS]
        found = {Columns.ACTION_DIST_INPUTS: inputs}
        if Columns.ACTION_LOGP in self._needed:
            rows, actions = (torch.from_numpy(a.reshape(-1, *a.shape[2:])) for a in (inputs, fragment.actions))
            logp = self.module.get_exploration_action_dist_cls().from_logits(rows).logp(actions)
            found[Columns.ACTION_LOGP] = logp.numpy().reshape(fragment.valid.shape)
        return {name: found[name] for name in self._needed}

    def _for_env(self, action: NDArray[Any]) -> NDArray[Any]:
        """Return actions within the bounds of the environment, as RLlib's configuration asks."""
        space = self.env.single_action_space
        if not isinstance(space, gym.spaces.Box):
            return action
        struct = get_base_struct_from_space(space)
        if self.config.normalize_actions:
            return np.asarray(unsquash_action(action, struct))
        return np.asarray(clip_action(action, struct)) if self.config.clip_actions else action

    def _follow(self, reward: NDArray[np.float32], valid: NDArray[np.bool_]) -> int:
        """Add a row to the episodes in progress and log those that ended; returns how many."""
        self._return += reward * valid
        self._length += valid
        ended = np.flatnonzero(self._resetting)
        if len(ended):
            now = time.perf_counter()
            for n in ended:
                self._log_episode_metrics(int(self._length[n]), float(self._return[n]), now - self._begun[n])
            self._return[ended], self._length[ended], self._begun[ended] = 0.0, 0, now
        return len(ended)

    def _sampling_state(self) -> dict[str, Any]:
        kept = {name: getattr(self, name).copy() for name in ("_obs", "_resetting", "_return", "_length")}
        return {"env": self.env.unwrapped.get_state(), "row": self._row, "arrays": kept}

    def _set_sampling_state(self, state: Mapping[str, Any]) -> None:
        self.env.unwrapped.set_state(state["env"])
        self._row = state["row"]
        for name, values in state["arrays"].items():
            setattr(self, name, values.copy())
        self._begun = np.full(self.num_envs, time.perf_counter())


class _Rows:
    """Arrays that rows are written into; they grow where episodes' ends make a sampling longer."""

    def __init__(self, capacity: int, first: NDArray[Any]) -> None:
        self.count = 0
        self.obs = np.empty((capacity + 1, *first.shape), np.result_type(first, np.float32))
        self.obs[0] = first
        self.rewards = np.empty((capacity, len(first)), np.float32)
        self._flags = np.empty((3, capacity, len(first)), np.bool_)
        self._others: dict[str, NDArray[Any]] = {}

    def add(
        self,
        observation: NDArray[Any],
        action: NDArray[Any],
        reward: NDArray[Any],
        terminated: NDArray[np.bool_],
        truncated: NDArray[np.bool_],
        valid: NDArray[np.bool_],
        outputs: Mapping[str, NDArray[np.float32]],
    ) -> None:
        t = self.count
        if t == len(self.rewards):
            self._grow()
        self.obs[t + 1], self.rewards[t] = observation, reward
        self._flags[0, t], self._flags[1, t], self._flags[2, t] = terminated, truncated, valid
        for name, values in {Columns.ACTIONS: action, **outputs}.items():
            if name not in self._others:
                self._others[name] = np.empty((len(self.rewards), *values.shape), values.dtype)
            self._others[name][t] = values
        self.count += 1

    def _grow(self) -> None:
        more = max(1, len(self.rewards) // 4)
        self.obs, self.rewards = _longer(self.obs, more), _longer(self.rewards, more)
        self._flags = np.stack([_longer(flags, more) for flags in self._flags])
        self._others = {name: _longer(values, more) for name, values in self._others.items()}

    def fragment(self, runner: int, row: int, weights: int) -> Fragment:
        t = self.count
        terminated, truncated, valid = (flags[:t] for flags in self._flags)
        outputs = {name: values[:t] for name, values in self._others.items()}
        return Fragment(
            obs=self.obs[: t + 1],
            actions=outputs.pop(Columns.ACTIONS),
            rewards=self.rewards[:t],
            terminated=terminated,
            truncated=truncated,
            valid=valid,
            outputs=outputs,
            runner=runner,
            row=row,
            weights=weights,
        )


def _longer(values: NDArray[Any], more: int) -> NDArray[Any]:
    return np.concatenate([values, np.empty((more, *values.shape[1:]), values.dtype)])


def _most_likely(module: Any, inputs: torch.Tensor) -> torch.Tensor:
    """Return the likeliest actions; RLlib's own (2.60) forgets to squash those of a squashed Gaussian."""
    dist = module.get_inference_action_dist_cls().from_logits(inputs)
    action: torch.Tensor = dist.to_deterministic().sample()
    return dist._squash(action) if isinstance(dist, TorchSquashedGaussian) else action


def _drawn(dist: Any, inputs: torch.Tensor) -> torch.Tensor:
    """Return actions drawn from distributions; of the commonest kind without an object around them."""
    if dist is TorchCategorical:
        # As torch.multinomial does it, number by number: the first of several exponential clocks to ring.
        return (inputs - torch.empty_like(inputs).exponential_().log_()).argmax(dim=-1)
    action: torch.Tensor = dist.from_logits(inputs).sample()
    return action


def _overridden(callback: RLlibCallback, name: str) -> bool:
    return getattr(type(callback), name) is not getattr(RLlibCallback, name)
