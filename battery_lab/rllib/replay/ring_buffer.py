"""Ring buffers of transitions, one per runner, that overwrite their oldest rows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numba as nb
import numpy as np
from numpy.typing import NDArray

from battery_lab.common.errors import DataError
from battery_lab.rllib.runners.fragment import Fragment

VALID, TERMINATED, TRUNCATED = 1, 2, 4
ENDED = TERMINATED | TRUNCATED

SlotIndices = NDArray[np.int64]
Flags = NDArray[np.uint8]
Floats = NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class RowLayout:
    """Shapes and types of the rows of all rings.

    Attributes:
        rows: rows per ring; one of them holds the newest observation and is not a transition.
        num_envs: environments per env runner.
        obs: shape of an observation.
        obs_dtype: type of an observation.
        actions: shape of an action.
        actions_dtype: type of an action.
    """

    rows: int
    num_envs: int
    obs: tuple[int, ...]
    obs_dtype: str
    actions: tuple[int, ...]
    actions_dtype: str

    def __post_init__(self) -> None:
        # JSON turns tuples into lists.
        object.__setattr__(self, "obs", tuple(self.obs))
        object.__setattr__(self, "actions", tuple(self.actions))

    @classmethod
    def of(cls, fragment: Fragment, rows: int) -> RowLayout:
        """Return the layout of rings with ``rows`` rows for a runner's fragments."""
        obs, actions = fragment.obs, fragment.actions
        return cls(
            rows=rows,
            num_envs=obs.shape[1],
            obs=obs.shape[2:],
            obs_dtype=obs.dtype.str,
            actions=actions.shape[2:],
            actions_dtype=actions.dtype.str,
        )

    def __str__(self) -> str:
        obs = f"observations {self.obs} {self.obs_dtype}"
        return f"{self.num_envs} environments, {obs}, actions {self.actions} {self.actions_dtype}, {self.rows} rows"


@dataclass(kw_only=True)
class Ring:
    """Position of one runner's ring.

    Attributes:
        runner: index of the runner.
        expected: the runner's number of the row that continues the ring.
        newest: number, since the ring began, of the row that holds the newest observation and no transition yet.
    """

    runner: int
    expected: int
    newest: int = 0


class Rings:
    """All rings, one array per column: (runners, rows, environments, ...).

    An observation is stored once: the next observation of row t is the observation of row t + 1, even if an episode
    ends there (gymnasium's ``NEXT_STEP``). A slot is the part of a row that belongs to one environment. Its flags are 0
    if it is not a transition; sums over rows stop before it. Slots are numbered over all rings, rows and environments.

    The arrays are allocated at once, but the system provides their pages only as the rings fill.
    """

    def __init__(self, layout: RowLayout, runners: int, rings: list[Ring]) -> None:
        """Allocate the arrays."""
        self.layout, self.runners, self.rings = layout, runners, rings
        size = (runners, layout.rows, layout.num_envs)
        self.columns: dict[str, NDArray[Any]] = {
            "obs": np.zeros((*size, *layout.obs), layout.obs_dtype),
            "actions": np.zeros((*size, *layout.actions), layout.actions_dtype),
            "rewards": np.zeros(size, np.float32),
            "flags": np.zeros(size, np.uint8),
        }
        self.by_slot = {name: column.reshape(-1, *column.shape[3:]) for name, column in self.columns.items()}
        self.ring_slots = layout.rows * layout.num_envs
        self.num_transitions = 0

    @property
    def nbytes(self) -> int:
        """Bytes of all rings when they are full."""
        return sum(column.nbytes for column in self.columns.values())

    def windows(self) -> list[range]:
        """Return the rows that each ring holds, numbered since it began; the last one is not a transition."""
        return [range(max(0, ring.newest - self.layout.rows + 1), ring.newest + 1) for ring in self.rings]

    def count(self) -> None:
        """Count the transitions after the columns were filled from files."""
        self.num_transitions = int(np.count_nonzero(self.columns["flags"]))

    def add(self, fragment: Fragment) -> Iterator[tuple[int, Flags]]:
        """Add a fragment; it overwrites the oldest rows of its runner.

        Yields:
            The first slot of each overwritten range, and the new flags of the range.

        Raises:
            DataError: the fragment has other shapes or types than the rings.
        """
        layout = RowLayout.of(fragment, self.layout.rows)
        if layout != self.layout:
            remedy = "resume with the options of the run that stored it, or start a new run"
            raise DataError(f"the replay buffer needs {self.layout}, but a fragment has {layout}: {remedy}")
        index = self._ring_of(fragment)
        ring = self.rings[index]
        if fragment.row != ring.expected:
            # The runner restarted: its previous newest observation stays in a row that is not a transition.
            ring.newest += 1
        ring.expected = fragment.row + len(fragment.valid)
        # The end of a fragment that is longer than the ring would overwrite its beginning.
        skipped = max(0, len(fragment.obs) - self.layout.rows)
        first = ring.newest + skipped
        ring.newest += len(fragment.valid)
        yield from self._overwrite(index, range(first, ring.newest + 1), _contents(fragment, skipped))

    def _overwrite(self, ring: int, rows: range, contents: dict[str, NDArray[Any]]) -> Iterator[tuple[int, Flags]]:
        for source, place in spans(rows, self.layout.rows):
            flags = contents["flags"][source]
            self.num_transitions += int(np.count_nonzero(flags)) - int(
                np.count_nonzero(self.columns["flags"][ring, place])
            )
            for name, values in contents.items():
                part = values[source]
                self.columns[name][ring, place.start : place.start + len(part)] = part
            yield ring * self.ring_slots + place.start * self.layout.num_envs, flags.reshape(-1)

    def _ring_of(self, fragment: Fragment) -> int:
        for index, ring in enumerate(self.rings):
            if ring.runner == fragment.runner:
                return index
        if len(self.rings) == self.runners:
            runners = [ring.runner for ring in self.rings]
            raise DataError(
                f"the replay buffer has rings for {self.runners} env runners, {runners}, but env runner "
                f"{fragment.runner} is one more: resume with as many as the run began with, or start a new run"
            )
        self.rings.append(Ring(runner=fragment.runner, expected=fragment.row))
        return len(self.rings) - 1

    def sample(self, generator: np.random.Generator, batch: int) -> SlotIndices:
        """Sample slots of transitions uniformly, with replacement."""
        windows = self.windows()
        oldest = np.array([window.start % self.layout.rows for window in windows]) * self.layout.num_envs
        ends = np.cumsum([(len(window) - 1) * self.layout.num_envs for window in windows])
        slots: SlotIndices = _sample(generator, batch, ends, oldest, self.by_slot["flags"], self.ring_slots)
        return slots

    def n_step_returns(
        self, slots: SlotIndices, n_step: int, gamma: float
    ) -> tuple[SlotIndices, Floats, NDArray[np.bool_], Floats]:
        """Return the slot after up to n steps, their discounted reward, whether the episode terminated, and n."""
        flags, rewards = self.by_slot["flags"], self.by_slot["rewards"]
        return _n_step_returns(slots, flags, rewards, self.ring_slots, self.layout.num_envs, n_step, gamma)


def spans(rows: range, length: int) -> Iterator[tuple[slice, slice]]:
    """Split rows, numbered since the ring began, where they wrap around in a ring of ``length`` rows.

    Yields:
        A slice of ``rows``, and the slice of the ring that holds them.
    """
    row = rows.start
    while row < rows.stop:
        place = row % length
        count = min(rows.stop - row, length - place)
        yield slice(row - rows.start, row - rows.start + count), slice(place, place + count)
        row += count


def _contents(fragment: Fragment, skipped: int) -> dict[str, NDArray[Any]]:
    """Return a fragment's columns without its first rows; the row of its last observation is not a transition."""
    flags = np.zeros(fragment.obs.shape[:2], np.uint8)
    flags[:-1] = fragment.valid * (VALID + TERMINATED * fragment.terminated + TRUNCATED * fragment.truncated)
    return {
        "obs": fragment.obs[skipped:],
        "actions": fragment.actions[skipped:],
        "rewards": fragment.rewards[skipped:],
        "flags": flags[skipped:],
    }


@nb.njit(cache=True)
def _sample(
    generator: np.random.Generator, batch: int, ends: SlotIndices, oldest: SlotIndices, flags: Flags, ring_slots: int
) -> SlotIndices:
    slots = np.empty(batch, np.int64)
    for i in range(batch):
        slot = -1
        while slot < 0 or not flags[slot]:
            place = generator.integers(0, ends[-1])
            ring = np.searchsorted(ends, place, side="right")
            before = ends[ring - 1] if ring else 0
            slot = ring * ring_slots + (oldest[ring] + place - before) % ring_slots
        slots[i] = slot
    return slots


@nb.njit(cache=True)
def _n_step_returns(
    slots: SlotIndices, flags: Flags, rewards: Floats, ring_slots: int, num_envs: int, n_step: int, gamma: float
) -> tuple[SlotIndices, Floats, NDArray[np.bool_], Floats]:
    count = len(slots)
    last, sums = np.empty(count, np.int64), np.empty(count, np.float32)
    terminated, steps = np.empty(count, np.bool_), np.empty(count, np.float32)
    for i in range(count):
        slot, step, total, discount = slots[i], 0, 0.0, 1.0
        end = (slot // ring_slots + 1) * ring_slots
        flag = 0
        while step < n_step and flags[slot] and not flag & ENDED:
            flag = flags[slot]
            total += discount * rewards[slot]
            discount *= gamma
            step += 1
            slot += num_envs
            if slot >= end:
                slot -= ring_slots
        last[i], sums[i], steps[i], terminated[i] = slot, total, step, flag & TERMINATED != 0
    return last, sums, terminated, steps
