"""Soft actor-critic (Haarnoja et al. 2018) as a plain torch loop."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.peers.torch_replay_and_stepper import Replay, Stepper


def dense(size: int, hidden: tuple[int, int], outputs: int) -> nn.Sequential:
    """Return a network with two hidden layers."""
    first, second = hidden
    return nn.Sequential(
        *(nn.Linear(size, first), nn.ReLU(), nn.Linear(first, second), nn.ReLU(), nn.Linear(second, outputs))
    )


class Actor(nn.Module):
    """A tanh-squashed Gaussian policy, with actions from -1 to 1."""

    def __init__(self, size: int, hidden: tuple[int, int], actions: int) -> None:
        super().__init__()
        self.net = dense(size, hidden, 2 * actions)

    def forward(self, observation: Tensor) -> tuple[Tensor, Tensor]:
        """Return sampled actions and their log-densities."""
        mean, log_std = self.net(observation).chunk(2, -1)
        log_std = log_std.clamp(-20, 2)
        noise = torch.randn_like(mean)
        raw = mean + log_std.exp() * noise
        # log(1 - tanh(x)^2) in a form that does not overflow.
        squash = 2 * (math.log(2) - raw - nn.functional.softplus(-2 * raw))
        density = -0.5 * noise.square() - log_std - 0.5 * math.log(2 * math.pi) - squash
        return raw.tanh(), density.sum(-1)


class Critics(nn.Module):
    """Twin critics."""

    def __init__(self, size: int, hidden: tuple[int, int]) -> None:
        super().__init__()
        self.one, self.two = dense(size, hidden, 1), dense(size, hidden, 1)

    def forward(self, observation: Tensor, action: Tensor) -> tuple[Tensor, Tensor]:
        """Return the values of both critics."""
        both = torch.cat([observation, action], -1)
        return self.one(both).squeeze(-1), self.two(both).squeeze(-1)


def train(
    env: Any, options: dict[str, Any], hidden: tuple[int, int], updates: int, compiled: bool = False
) -> Iterator[int]:
    """Train forever, and yield the environment steps so far after each sampling.

    Args:
        env: a vector environment with actions from -1 to 1 that resets on the step after the end of an episode.
        options: options of conf/algo/sac.yaml, with n_step 1.
        hidden: sizes of the hidden layers.
        updates: gradient steps after each ``fragment`` steps of all environments.
        compiled: whether to apply ``torch.compile`` to the losses.
    """
    size, actions = env.single_observation_space.shape[0], env.single_action_space.shape[0]
    actor, critics = Actor(size, hidden, actions), Critics(size + actions, hidden)
    targets = copy.deepcopy(critics).requires_grad_(False)
    log_alpha = torch.tensor(math.log(options["initial_alpha"]), requires_grad=True)
    actor_adam = torch.optim.Adam(actor.parameters(), options["actor_lr"], fused=True)
    critic_adam = torch.optim.Adam(critics.parameters(), options["critic_lr"], fused=True)
    alpha_adam = torch.optim.Adam([log_alpha], options["alpha_lr"], fused=True)
    entropy = -options["target_entropy"] * actions
    memory = Replay(options["replay"]["capacity"], size, torch.empty(actions))
    stepper = Stepper(env, memory)

    def critic_loss(obs: Tensor, next_obs: Tensor, action: Tensor, reward: Tensor, terminated: Tensor) -> Tensor:
        with torch.no_grad():
            next_action, density = actor(next_obs)
            value = torch.min(*targets(next_obs, next_action)) - log_alpha.exp() * density
            expected = reward + options["gamma"] * (1 - terminated) * value
        value_1, value_2 = critics(obs, action)
        return (nn.functional.mse_loss(value_1, expected) + nn.functional.mse_loss(value_2, expected)) / 2

    def actor_loss(obs: Tensor) -> tuple[Tensor, Tensor]:
        action, density = actor(obs)
        value = torch.min(*critics(obs, action))
        return (log_alpha.exp().detach() * density - value).mean(), density.detach().mean()

    def minimise(adam: torch.optim.Optimizer, loss: Tensor, net: nn.Module) -> None:
        adam.zero_grad()
        # The policy's loss passes through the critics, and must not change their weights.
        loss.backward(inputs=list(net.parameters()))
        nn.utils.clip_grad_norm_(net.parameters(), options["grad_clip"])
        adam.step()

    if compiled:
        critic_loss, actor_loss = torch.compile(critic_loss), torch.compile(actor_loss)
    while True:
        for _ in range(options["fragment"]):
            with torch.no_grad():
                action = actor(stepper.observation)[0]
            stepper.step(action)
        if stepper.env_steps > options["learning_starts"]:
            for _ in range(updates):
                batch = memory.draw(options["batch"])
                minimise(critic_adam, critic_loss(*batch), critics)
                loss, density = actor_loss(batch[0])
                minimise(actor_adam, loss, actor)
                alpha_adam.zero_grad()
                (-log_alpha * (density + entropy)).backward()
                alpha_adam.step()
                with torch.no_grad():
                    for slow, fast in zip(targets.parameters(), critics.parameters(), strict=True):
                        slow.lerp_(fast, options["tau"])
        yield stepper.env_steps
