"""Proximal policy optimisation (Schulman et al. 2017) as a plain torch loop."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn


class ActorCritic(nn.Module):
    """Action logits and value on shared layers."""

    def __init__(self, observation: int, actions: int, hidden: tuple[int, int]) -> None:
        super().__init__()
        first, second = hidden
        self.encoder = nn.Sequential(nn.Linear(observation, first), nn.ReLU(), nn.Linear(first, second), nn.ReLU())
        self.policy, self.value = nn.Linear(second, actions), nn.Linear(second, 1)

    def forward(self, observation: Tensor) -> tuple[Tensor, Tensor]:
        """Return the log-probabilities of all actions, and the value."""
        features = self.encoder(observation)
        return torch.log_softmax(self.policy(features), -1), self.value(features).squeeze(-1)


def advantages(rewards: Tensor, values: Tensor, terminated: Tensor, ended: Tensor, gamma: float, lam: float) -> Tensor:
    """Return generalised advantage estimates (Schulman et al. 2016), (T, N); ``values`` is (T + 1, N)."""
    deltas = rewards + gamma * values[1:] * ~terminated - values[:-1]
    carry, out = torch.zeros_like(deltas[0]), torch.empty_like(deltas)
    for t in reversed(range(len(deltas))):
        carry = deltas[t] + gamma * lam * carry * ~ended[t]
        out[t] = carry
    return out


def train(env: Any, options: dict[str, Any], hidden: tuple[int, int], compiled: bool = False) -> Iterator[int]:
    """Train forever, and yield the environment steps so far after each batch.

    Args:
        env: a vector environment that resets on the step after the end of an episode.
        options: options of conf/algo/ppo.yaml; the initial learning rate and entropy weight stay constant.
        hidden: sizes of the hidden layers.
        compiled: whether to apply ``torch.compile`` to the loss.
    """
    rows, n, size = options["fragment"], env.num_envs, env.single_observation_space.shape[0]
    net = ActorCritic(size, int(env.single_action_space.n), hidden)
    adam = torch.optim.Adam(net.parameters(), options["lr"], fused=True)
    obs, actions = torch.empty(rows + 1, n, size), torch.empty(rows, n, dtype=torch.int64)
    old, rewards = torch.empty(rows, n), torch.empty(rows, n)
    terminated, truncated, valid = (torch.empty(rows, n, dtype=torch.bool) for _ in range(3))
    low, high = 1 - options["clip"], 1 + options["clip"]

    def loss_of(obs: Tensor, action: Tensor, old: Tensor, advantage: Tensor, target: Tensor) -> Tensor:
        logs, value = net(obs)
        ratio = torch.exp(logs.gather(1, action[:, None]).squeeze(1) - old)
        gain = torch.min(ratio * advantage, ratio.clamp(low, high) * advantage)
        error = (value - target).square().clamp(max=options["value_clip"])
        entropy = -(logs.exp() * logs).sum(1)
        return (options["value_coeff"] * error - gain - options["entropy_coeff"] * entropy).mean()

    loss_of = torch.compile(loss_of) if compiled else loss_of
    obs[-1] = torch.from_numpy(env.reset()[0])
    ended, env_steps = torch.zeros(n, dtype=torch.bool), 0
    while True:
        obs[0] = obs[-1]
        with torch.no_grad():
            for t in range(rows):
                # The step after the end of an episode only resets; it is not a transition.
                valid[t] = ~ended
                logs = net(obs[t])[0]
                actions[t] = torch.multinomial(logs.exp(), 1).squeeze(1)
                old[t] = logs.gather(1, actions[t][:, None]).squeeze(1)
                step = [torch.from_numpy(part) for part in env.step(actions[t].numpy())[:4]]
                obs[t + 1], rewards[t], terminated[t], truncated[t] = step
                ended = step[2] | step[3]
            values = net(obs.flatten(0, 1))[1].view(rows + 1, n)
            over = terminated | truncated
            gains = advantages(rewards, values, terminated, over, options["gamma"], options["gae_lambda"])
        used = valid.flatten().nonzero().squeeze(1)
        flat_obs, action, before = obs[:-1].flatten(0, 1), actions.flatten(), old.flatten()
        targets, gains = (gains + values[:-1]).flatten(), gains.flatten()
        gains = (gains - gains[used].mean()) / (gains[used].std() + 1e-4)
        batches = -(-len(used) // options["minibatch"])
        for _ in range(options["epochs"]):
            # A short last minibatch is filled with rows of the first one, as in RLlib.
            order = used[torch.randperm(len(used))].repeat(2)[: batches * options["minibatch"]]
            for rows_of_minibatch in order.view(batches, -1):
                columns = (flat_obs, action, before, gains, targets)
                loss = loss_of(*(column.index_select(0, rows_of_minibatch) for column in columns))
                adam.zero_grad()
                loss.backward()
                nn.utils.clip_grad_norm_(net.parameters(), options["grad_clip"])
                adam.step()
        env_steps += len(used)
        yield env_steps
