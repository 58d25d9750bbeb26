"""A replay memory of transitions in whole arrays: what DQN and SAC learn from."""

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
from battery_lab.rllib.replay.ring_buffer import Ring, Rings, RowLayout, Slots
from battery_lab.rllib.replay.sum_tree import Priorities
from battery_lab.rllib.runners.fragment import Fragment

PRIORITIES = "priorities"


class TransitionReplay:
    """The newest transitions of all runners, drawn uniformly or by their last error.

    Args:
        capacity: transitions, shared out evenly among runners and environments; each gets n_step + 2 at least.
        seed: of its own generator.
        n_step: rewards that a drawn transition sums; fewer at the end of an episode and at the newest row.
        gamma: their discount a row.
        prioritised: whether transitions with large errors are drawn more often (Schaul et al. 2016).
        alpha: how much the error counts, 0 uniform to 1 proportional.
        beta: how far the weights correct for it, 0 not at all to 1 in full.
        runners: how many runners send fragments.
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
        """Check the options; the memory itself is asked for with the first fragment."""
        for name, value in (("capacity", capacity), ("n_step", n_step), ("runners", runners)):
            require(value >= 1, name, "must be 1 or more", value)
        self.capacity, self.n_step, self.gamma, self.runners = capacity, n_step, gamma, runners
        self.prioritised, self.alpha, self.beta = prioritised, alpha, beta
        self._generator = np.random.default_rng(seed)
        self._rings: Rings | None = None
        self._priorities: Priorities | None = None
        self._drawn: Slots = np.empty(0, np.int64)
        self._given: dict[str, NDArray[Any]] = {}
        self._stored: checkpoint_files.Files = {}

    def __len__(self) -> int:
        """Transitions held."""
        return self._rings.held if self._rings else 0

    @property
    def nbytes(self) -> int:
        """Bytes of memory when it is full; 0 before the first fragment."""
        tree = self._priorities.tree.nbytes if self._priorities else 0
        return self._rings.nbytes + tree if self._rings else 0

    def describe(self) -> str:
        """Return one line for the log; the size is known from the first fragment on."""
        text = f"replay memory of {self.capacity:,} transitions"
        if self._rings is None:
            return text
        numbers = int(np.prod(self._rings.layout.obs))
        return f"{text}, {numbers:,} numbers an observation, {self.nbytes / 2**30:.2f} GiB when full"

    def add(self, fragments: Sequence[Fragment]) -> None:
        """Take in fragments, over the oldest rows of their runners.

        A fragment that does not continue where its runner's last one ended is not joined to it.

        Raises:
            DataError: a fragment has other shapes than the memory, or comes from a runner too many.
        """
        for fragment in fragments:
            rings = self._rings or self._allocate(RowLayout.of(fragment, self._rows(fragment.valid.shape[1])), [])
            for first, flags in rings.add(fragment):
                if self._priorities:
                    self._priorities.begin(first, flags > 0)

    def draw(self, batch: int) -> dict[str, NDArray[Any]]:
        """Draw transitions with replacement.

        Returns:
            By RLlib's column names: ``obs`` and ``new_obs`` (batch, ...), n rows apart, ``actions`` (batch, ...),
            ``rewards`` (batch,) float32 discounted sums, ``terminateds`` (batch,) whether the episode ended there in a
            state without a future, ``n_step`` (batch,) float32 how many rows were summed, ``weights`` (batch,) float32.
            The next draw may write over the first three.

        Raises:
            ValueError: the memory is empty.
        """
        if self._rings is None or not self._rings.held:
            raise ValueError("the replay memory is empty: add fragments before drawing")
        if self._priorities:
            self._drawn, weights = self._priorities.draw(self._generator, batch)
        else:
            self._drawn, weights = self._rings.draw(self._generator, batch), np.ones(batch, np.float32)
        last, rewards, terminated, steps = self._rings.follow(self._drawn, self.n_step, self.gamma)
        return {
            "obs": self._taken("obs", self._drawn),
            "new_obs": self._taken("obs", last, name="new_obs"),
            "actions": self._taken("actions", self._drawn),
            "rewards": rewards,
            "terminateds": terminated,
            "n_step": steps,
            "weights": weights,
        }

    def _taken(self, column: str, slots: Slots, name: str = "") -> NDArray[Any]:
        """Return some slots of a column, in memory that is used again: new memory is cleared by the system first."""
        assert self._rings is not None
        source, name = self._rings.slots[column], name or column
        if len(self._given.get(name, ())) != len(slots):
            self._given[name] = np.empty((len(slots), *source.shape[1:]), source.dtype)
        # NumPy's take has one thread.
        into = torch.from_numpy(self._given[name])
        return torch.index_select(torch.from_numpy(source), 0, torch.from_numpy(slots), out=into).numpy()

    def update_priorities(self, td_errors: NDArray[np.floating]) -> None:
        """Set the priorities of what was drawn last by its errors, (batch,); a uniform memory has none to set."""
        if self._priorities:
            self._priorities.learn(self._drawn, td_errors)

    def save(self, folder: Path, previous: Path | None) -> None:
        """Store the memory, linking to what an earlier folder holds of it unchanged.

        Args:
            folder: where to; made if it is missing.
            previous: the folder that this memory wrote or read last; any other does no harm.
        """
        rings, priorities = self._rings, self._priorities
        state = {
            "options": self._options(),
            "layout": asdict(rings.layout) if rings else None,
            "rings": [asdict(ring) for ring in rings.rings] if rings else [],
            "largest": priorities.largest if priorities else None,
            "generator": self._generator.bit_generator.state,
        }
        self._stored = checkpoint_files.write(
            folder,
            previous,
            columns=rings.columns if rings else {},
            windows=rings.windows() if rings else [],
            others={PRIORITIES: priorities.tree.values} if priorities else {},
            state=state,
            known=self._stored,
        )

    def load(self, folder: Path) -> None:
        """Put the memory back to where ``save`` stored it, to the bit.

        Raises:
            DataError: a file is missing or damaged, or is of a memory of another size; this one is then of no use.
        """
        state, files = checkpoint_files.read_index(folder)
        self._require_same(folder, state)
        self._rings = self._priorities = None
        if state["layout"]:
            rings = self._allocate(RowLayout(**state["layout"]), [Ring(**ring) for ring in state["rings"]])
            self._stored = checkpoint_files.read(folder, files, columns=rings.columns, windows=rings.windows())
            rings.count()
        if self._priorities:
            values = checkpoint_files.read_array(folder, files, f"{PRIORITIES}.npy", (), np.dtype(np.float64))
            self._priorities.restore(values, state["largest"])
        self._generator.bit_generator.state = state["generator"]

    def _rows(self, num_envs: int) -> int:
        """Rows a ring; one more than transitions, for the newest observation."""
        return max(self.capacity // (num_envs * self.runners), self.n_step + 2) + 1

    def _allocate(self, layout: RowLayout, rings: list[Ring]) -> Rings:
        self._rings = Rings(layout, self.runners, rings)
        if self.prioritised:
            size = self.runners * self._rings.ring_slots
            self._priorities = Priorities(size, alpha=self.alpha, beta=self.beta)
        return self._rings

    def _options(self) -> dict[str, Any]:
        """What a stored memory must agree in."""
        alpha = self.alpha if self.prioritised else None
        return {
            "capacity": self.capacity,
            "runners": self.runners,
            "prioritised": self.prioritised,
            "alpha": alpha,
        }

    def _require_same(self, folder: Path, state: Mapping[str, Any]) -> None:
        """Raise DataError where a stored memory is of another size than this one."""
        mine, stored = self._options(), dict(state["options"])
        if state["layout"]:
            mine["rows"], stored["rows"] = self._rows(state["layout"]["num_envs"]), state["layout"]["rows"]
            if self._rings:
                mine["layout"], stored["layout"] = str(self._rings.layout), str(RowLayout(**state["layout"]))
        for name, value in mine.items():
            if stored.get(name) != value:
                path = folder / checkpoint_files.INDEX
                mend = "resume with the options of the run that stored it, or start a new run"
                raise DataError(f"{path} is of a replay memory with {name} {stored.get(name)}, not {value}: {mend}")
