"""PPO in a plain torch loop, as a peer: its advantages."""

from __future__ import annotations

import torch

from benchmarks.peers.torch_ppo import advantages


def test_advantages_bootstrap_at_truncation_and_not_at_termination() -> None:
    rewards, values = torch.ones(3, 2), torch.tensor([[0.0, 0.0], [10.0, 10.0], [10.0, 10.0], [10.0, 10.0]])
    ended = torch.tensor([[True, True], [False, False], [False, False]])
    terminated = torch.tensor([[False, True], [False, False], [False, False]])
    found = advantages(rewards, values, terminated, ended, 0.5, 1.0)
    # The first episode is truncated, so the value of its last state counts; the second is terminated.
    assert found[0].tolist() == [6.0, 1.0]
    assert found[1].tolist() == [-9 + 5 + 0.5 * (-9 + 5)] * 2
