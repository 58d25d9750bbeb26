"""RLlib episodes: a fragment as RLlib's own objects, for learners and comparisons that need them."""

from __future__ import annotations

from typing import Any

import numpy as np
from ray.rllib.core.columns import Columns
from ray.rllib.env.single_agent_episode import SingleAgentEpisode


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
