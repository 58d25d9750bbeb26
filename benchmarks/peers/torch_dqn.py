"""Deep Q-learning (Mnih et al. 2015) as a plain torch loop."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.peers.torch_replay_and_stepper import Replay, Stepper


def train(
    env: Any, options: dict[str, Any], hidden: tuple[int, int], updates: int, compiled: bool = False
) -> Iterator[int]:
    """Train forever, and yield the environment steps so far after each sampling.

    Args:
        env: a vector environment that resets on the step after the end of an episode.
        options: options of conf/algo/dqn.yaml, with n_step 1, neither double nor dueling; the initial learning rate and
            epsilon stay constant.
        hidden: sizes of the hidden layers.
        updates: gradient steps after each ``fragment`` steps of all environments.
        compiled: whether to apply ``torch.compile`` to the loss.
    """
    n, size, levels = env.num_envs, env.single_observation_space.shape[0], int(env.single_action_space.n)
    first, second = hidden
    net = nn.Sequential(
        *(nn.Linear(size, first), nn.ReLU(), nn.Linear(first, second), nn.ReLU(), nn.Linear(second, levels))
    )
    target = copy.deepcopy(net).requires_grad_(False)
    adam = torch.optim.Adam(net.parameters(), options["lr"], fused=True)
    memory = Replay(options["replay"]["capacity"], size, torch.tensor(0))
    stepper = Stepper(env, memory)

    def loss_of(obs: Tensor, next_obs: Tensor, action: Tensor, reward: Tensor, terminated: Tensor) -> Tensor:
        with torch.no_grad():
            expected = reward + options["gamma"] * (1 - terminated) * target(next_obs).max(1).values
        value = net(obs).gather(1, action[:, None]).squeeze(1)
        return nn.functional.smooth_l1_loss(value, expected)

    loss_of = torch.compile(loss_of) if compiled else loss_of
    synced = 0
    while True:
        for _ in range(options["fragment"]):
            with torch.no_grad():
                best = net(stepper.observation).argmax(1)
            explore = torch.rand(n) < options["epsilon_start"]
            stepper.step(torch.where(explore, torch.randint(levels, (n,)), best))
        if stepper.env_steps > options["learning_starts"]:
            for _ in range(updates):
                loss = loss_of(*memory.draw(options["batch"]))
                adam.zero_grad()
                loss.backward()
                nn.utils.clip_grad_norm_(net.parameters(), options["grad_clip"])
                adam.step()
            if stepper.env_steps - synced >= options["target_update"]:
                target.load_state_dict(net.state_dict())
                synced = stepper.env_steps
        yield stepper.env_steps
