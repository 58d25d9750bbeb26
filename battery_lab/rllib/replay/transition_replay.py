"""Replay buffer of transitions in whole arrays, for DQN and SAC."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from battery_lab.common.errors import DataError, require
from battery_lab.rllib.replay import checkpoint_files
from battery_lab.rllib.replay.priorities import Priorities
from battery_lab.rllib.replay.ring_buffer import Ring, Rings, RowLayout, SlotIndices
from battery_lab.rllib.runners.fragment import Fragment

PRIORITIES = "priorities"


class TransitionReplay:
    """The newest transitions of all runners, sampled uniformly or by their last TD error.

    Args:
        capacity: transitions, divided evenly among runners and environments; each gets at least n_step + 2.
        seed: seed of the buffer's generator.
        n_step: rewards that a sampled transition sums; fewer at the end of an episode and at the newest row.
        gamma: discount per row.
        prioritised: whether transitions with large TD errors are sampled more often (Schaul et al. 2016).
        alpha: exponent of the priorities: 0 is uniform, 1 is proportional to the error.
        beta: exponent of the importance weights: 0 does not correct the bias, 1 corrects it fully.
        runners: number of runners that send fragments.
    """

    def __init__(
        self,
        *,
        capacity: int,
        seed: int,
        n_step: int,
        gamma: float,
        prioritised: bool,
        alpha: float,
        beta: float,
        runners: int,
    ) -> None:
        """Check the options; the arrays are allocated for the first fragment."""
        for name, value in (("capacity", capacity), ("n_step", n_step), ("runners", runners)):
            require(value >= 1, name, "must be 1 or more", value)
        self.capacity, self.n_step, self.gamma, self.runners = capacity, n_step, gamma, runners
        self.prioritised, self.alpha, self.beta = prioritised, alpha, beta
        self._generator = np.random.default_rng(seed)
        self._rings: Rings | None = None
        self._priorities: Priorities | None = None
        self._sampled: SlotIndices = np.empty(0, np.int64)
        self._output: dict[str, NDArray[Any]] = {}
        self._known_files: checkpoint_files.Files = {}

    def __len__(self) -> int:
        """Number of transitions."""
        return self._rings.num_transitions if self._rings else 0

    @property
    def nbytes(self) -> int:
        """Bytes of the buffer when it is full; 0 before the first fragment."""
        tree = self._priorities.tree.nbytes if self._priorities else 0
        return self._rings.nbytes + tree if self._rings else 0

    def describe(self) -> str:
        """Return one line for the log; the size is known after the first fragment."""
        text = f"replay buffer of {self.capacity:,} transitions"
        if self._rings is None:
            return text
        numbers = int(np.prod(self._rings.layout.obs))
        return f"{text}, {numbers:,} numbers per observation, {self.nbytes / 2**30:.2f} GiB when full"

    def add(self, fragments: Sequence[Fragment]) -> None:
        """Add fragments; they overwrite the oldest rows of their runners.

        A fragment that does not continue the last one of its runner is not joined to it.

        Raises:
            DataError: a fragment has other shapes than the buffer, or there are more runners than expected.
        """
        for fragment in fragments:
            rings = self._rings or self._allocate(RowLayout.of(fragment, self._rows(fragment.valid.shape[1])), [])
            for first, flags in rings.add(fragment):
                if self._priorities:
                    self._priorities.reset(first, flags > 0)

    def sample(self, batch: int) -> dict[str, NDArray[Any]]:
        """Sample transitions with replacement.

        Returns:
            Arrays by RLlib's column names: ``obs`` and ``new_obs`` (batch, ...), up to n steps apart, ``actions``
            (batch, ...), ``rewards`` (batch,) float32 discounted sums, ``terminateds`` (batch,) whether the episode
            terminated, ``n_step`` (batch,) float32 number of summed steps, ``weights`` (batch,) float32 importance
            weights. The next call may overwrite the first three.

        Raises:
            ValueError: the buffer is empty.
        """
        if self._rings is None or not self._rings.num_transitions:
            raise ValueError("the replay buffer is empty: add fragments before sampling")
        if self._priorities:
            self._sampled, weights = self._priorities.sample(self._generator, batch)
        else:
            self._sampled, weights = self._rings.sample(self._generator, batch), np.ones(batch, np.float32)
        last, rewards, terminated, steps = self._rings.n_step_returns(self._sampled, self.n_step, self.gamma)
        return {
            "obs": self._take("obs", self._sampled),
            "new_obs": self._take("obs", last, name="new_obs"),
            "actions": self._take("actions", self._sampled),
            "rewards": rewards,
            "terminateds": terminated,
            "n_step": steps,
            "weights": weights,
        }

    def _take(self, column: str, slots: SlotIndices, name: str = "") -> NDArray[Any]:
        """Return slots of a column in an array that is reused, because the system would zero new memory first."""
        assert self._rings is not None
        source, name = self._rings.by_slot[column], name or column
        if len(self._output.get(name, ())) != len(slots):
            self._output[name] = np.empty((len(slots), *source.shape[1:]), source.dtype)
        # torch uses several threads, NumPy only one.
        out = torch.from_numpy(self._output[name])
        return torch.index_select(torch.from_numpy(source), 0, torch.from_numpy(slots), out=out).numpy()

    def update_priorities(self, td_errors: NDArray[np.floating]) -> None:
        """Set the priorities of the last sample from its TD errors, (batch,); a uniform buffer ignores them."""
        if self._priorities:
            self._priorities.update(self._sampled, td_errors)

    def save(self, folder: Path, previous: Path | None) -> None:
        """Save the buffer; hard-link the files that an earlier folder holds unchanged.

        Args:
            folder: folder to write to; created if missing.
            previous: the folder that this buffer was last saved to or loaded from; any other is harmless.
        """
        rings, priorities = self._rings, self._priorities
        state = {
            "options": self._options(),
            "layout": asdict(rings.layout) if rings else None,
            "rings": [asdict(ring) for ring in rings.rings] if rings else [],
            "largest": priorities.largest if priorities else None,
            "generator": self._generator.bit_generator.state,
        }
        self._known_files = checkpoint_files.write(
            folder,
            previous,
            columns=rings.columns if rings else {},
            windows=rings.windows() if rings else [],
            extra_arrays={PRIORITIES: priorities.tree.values} if priorities else {},
            state=state,
            known_files=self._known_files,
        )

    def load(self, folder: Path) -> None:
        """Restore the exact state that ``save`` stored.

        Raises:
            DataError: a file is missing or damaged, or belongs to a buffer of another size. This buffer is unusable
                afterwards.
        """
        state, files = checkpoint_files.read_index(folder)
        self._require_same(folder, state)
        self._rings = self._priorities = None
        if state["layout"]:
            rings = self._allocate(RowLayout(**state["layout"]), [Ring(**ring) for ring in state["rings"]])
            self._known_files = checkpoint_files.read(folder, files, columns=rings.columns, windows=rings.windows())
            rings.count()
        if self._priorities:
            values = checkpoint_files.read_array(folder, files, f"{PRIORITIES}.npy", (), np.dtype(np.float64))
            self._priorities.restore(values, state["largest"])
        self._generator.bit_generator.state = state["generator"]

    def _rows(self, num_envs: int) -> int:
        """Rows per ring: one more than transitions, for the newest observation."""
        return max(self.capacity // (num_envs * self.runners), self.n_step + 2) + 1

    def _allocate(self, layout: RowLayout, rings: list[Ring]) -> Rings:
        self._rings = Rings(layout, self.runners, rings)
        if self.prioritised:
            size = self.runners * self._rings.ring_slots
            self._priorities = Priorities(size, alpha=self.alpha, beta=self.beta)
        return self._rings

    def _options(self) -> dict[str, Any]:
        """Options that a stored buffer must share."""
        alpha = self.alpha if self.prioritised else None
        return {
            "capacity": self.capacity,
            "runners": self.runners,
            "prioritised": self.prioritised,
            "alpha": alpha,
        }

    def _require_same(self, folder: Path, state: Mapping[str, Any]) -> None:
        """Raise DataError if a stored buffer has another size than this one."""
        own, stored = self._options(), dict(state["options"])
        if state["layout"]:
            own["rows"], stored["rows"] = self._rows(state["layout"]["num_envs"]), state["layout"]["rows"]
            if self._rings:
                own["layout"], stored["layout"] = str(self._rings.layout), str(RowLayout(**state["layout"]))
        for name, value in own.items():
            if stored.get(name) != value:
                path = folder / checkpoint_files.INDEX
                remedy = "resume with the options of the run that stored it, or start a new run"
                raise DataError(f"{path} holds a replay buffer with {name} {stored.get(name)}, not {value}: {remedy}")
