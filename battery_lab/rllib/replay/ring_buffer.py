"""Rows of transitions in rings, one a runner, of which the oldest are overwritten."""

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

Slots = NDArray[np.int64]
Flags = NDArray[np.uint8]
Floats = NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class RowLayout:
    """What the rows of all rings are like.

    Attributes:
        rows: rows a ring, of which one holds the newest observation and no transition.
        num_envs: environments a runner.
        obs: shape of an observation.
        obs_dtype: type of its numbers.
        actions: shape of an action.
        actions_dtype: type of its numbers.
    """

    rows: int
    num_envs: int
    obs: tuple[int, ...]
    obs_dtype: str
    actions: tuple[int, ...]
    actions_dtype: str

    def __post_init__(self) -> None:
        # JSON has lists in their place.
        object.__setattr__(self, "obs", tuple(self.obs))
        object.__setattr__(self, "actions", tuple(self.actions))

    @classmethod
    def of(cls, fragment: Fragment, rows: int) -> RowLayout:
        """Return what holds a runner's fragments in rings of so many rows."""
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
    """Where one runner's ring stands.

    Attributes:
        runner: whose it is.
        expected: the runner's own number of the row that continues it.
        newest: the row with the newest observation, which is no transition yet, numbered since the ring began.
    """

    runner: int
    expected: int
    newest: int = 0


class Rings:
    """All rings as one array a column, (runners, rows, environments, ...).

    An observation is stored once: the next one of row t is that of row t + 1, whether an episode ends there or not
    (gymnasium's ``NEXT_STEP``). A slot is one environment's part of one row; its flags are 0 where it is no transition,
    and whatever is summed over rows ends before it.

    The memory is asked for at once, and taken from the system as the rings fill.
    """

    def __init__(self, layout: RowLayout, runners: int, rings: list[Ring]) -> None:
        """Ask for the memory."""
        self.layout, self.runners, self.rings = layout, runners, rings
        size = (runners, layout.rows, layout.num_envs)
        self.columns: dict[str, NDArray[Any]] = {
            "obs": np.zeros((*size, *layout.obs), layout.obs_dtype),
            "actions": np.zeros((*size, *layout.actions), layout.actions_dtype),
            "rewards": np.zeros(size, np.float32),
            "flags": np.zeros(size, np.uint8),
        }
        self.slots = {name: column.reshape(-1, *column.shape[3:]) for name, column in self.columns.items()}
        self.ring_slots = layout.rows * layout.num_envs
        self.held = 0

    @property
    def nbytes(self) -> int:
        """Bytes of memory when all rings are full."""
        return sum(column.nbytes for column in self.columns.values())

    def windows(self) -> list[range]:
        """Return the rows that each ring holds, numbered since it began; the last of them is no transition."""
        return [range(max(0, ring.newest - self.layout.rows + 1), ring.newest + 1) for ring in self.rings]

    def count(self) -> None:
        """Count the transitions held, after the columns were filled from elsewhere."""
        self.held = int(np.count_nonzero(self.columns["flags"]))

    def add(self, fragment: Fragment) -> Iterator[tuple[int, Flags]]:
        """Take in a fragment, over the oldest rows of its runner.

        Yields:
            Slots that were overwritten: the first one, and the new flags of all.

        Raises:
            DataError: the fragment has other shapes than the rings.
        """
        layout = RowLayout.of(fragment, self.layout.rows)
        if layout != self.layout:
            mend = "resume with the options of the run that stored it, or start a new run"
            raise DataError(f"the replay memory takes {self.layout}, and a fragment has {layout}: {mend}")
        index = self._ring_of(fragment)
        ring = self.rings[index]
        if fragment.row != ring.expected:
            # The runner began anew: its old newest observation stays, in a row that is no transition.
            ring.newest += 1
        ring.expected = fragment.row + len(fragment.valid)
        # Of a fragment that is longer than the ring, the beginning would be overwritten by its own end.
        skipped = max(0, len(fragment.obs) - self.layout.rows)
        first = ring.newest + skipped
        ring.newest += len(fragment.valid)
        yield from self._overwrite(index, range(first, ring.newest + 1), _contents(fragment, skipped))

    def _overwrite(self, ring: int, rows: range, contents: dict[str, NDArray[Any]]) -> Iterator[tuple[int, Flags]]:
        for source, place in spans(rows, self.layout.rows):
            flags = contents["flags"][source]
            self.held += int(np.count_nonzero(flags)) - int(np.count_nonzero(self.columns["flags"][ring, place]))
            for name, values in contents.items():
                part = values[source]
                self.columns[name][ring, place.start : place.start + len(part)] = part
            yield ring * self.ring_slots + place.start * self.layout.num_envs, flags.reshape(-1)

    def _ring_of(self, fragment: Fragment) -> int:
        for index, ring in enumerate(self.rings):
            if ring.runner == fragment.runner:
                return index
        if len(self.rings) == self.runners:
            known = [ring.runner for ring in self.rings]
            raise DataError(
                f"the replay memory has rings for {self.runners} runners, {known}, and runner {fragment.runner} is one "
                "more: resume with as many runners as the run began with, or start a new run"
            )
        self.rings.append(Ring(runner=fragment.runner, expected=fragment.row))
        return len(self.rings) - 1

    def draw(self, generator: np.random.Generator, batch: int) -> Slots:
        """Draw slots of transitions, each as likely as any other, with replacement."""
        windows = self.windows()
        oldest = np.array([window.start % self.layout.rows for window in windows]) * self.layout.num_envs
        ends = np.cumsum([(len(window) - 1) * self.layout.num_envs for window in windows])
        slots: Slots = _draw(generator, batch, ends, oldest, self.slots["flags"], self.ring_slots)
        return slots

    def follow(self, slots: Slots, n_step: int, gamma: float) -> tuple[Slots, Floats, NDArray[np.bool_], Floats]:
        """Return where up to n rows lead from slots, what they earn discounted, whether they end there, how many."""
        flags, rewards = self.slots["flags"], self.slots["rewards"]
        return _follow(slots, flags, rewards, self.ring_slots, self.layout.num_envs, n_step, gamma)


def spans(rows: range, length: int) -> Iterator[tuple[slice, slice]]:
    """Cut rows, numbered since a ring of some length began, where they wrap around in it.

    Yields:
        Where they stand among the rows asked for, and where in the ring.
    """
    row = rows.start
    while row < rows.stop:
        place = row % length
        count = min(rows.stop - row, length - place)
        yield slice(row - rows.start, row - rows.start + count), slice(place, place + count)
        row += count


def _contents(fragment: Fragment, skipped: int) -> dict[str, NDArray[Any]]:
    """Return a fragment's columns without its first rows; the row of its last observation is no transition."""
    flags = np.zeros(fragment.obs.shape[:2], np.uint8)
    flags[:-1] = fragment.valid * (VALID + TERMINATED * fragment.terminated + TRUNCATED * fragment.truncated)
    return {
        "obs": fragment.obs[skipped:],
        "actions": fragment.actions[skipped:],
        "rewards": fragment.rewards[skipped:],
        "flags": flags[skipped:],
    }


@nb.njit(cache=True)
def _draw(
    generator: np.random.Generator, batch: int, ends: Slots, oldest: Slots, flags: Flags, ring_slots: int
) -> Slots:
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
def _follow(
    slots: Slots, flags: Flags, rewards: Floats, ring_slots: int, num_envs: int, n_step: int, gamma: float
) -> tuple[Slots, Floats, NDArray[np.bool_], Floats]:
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
