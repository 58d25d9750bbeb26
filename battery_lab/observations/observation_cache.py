"""Observation cache: fitted scales and standardised features on disk, computed once per market and observation set."""

from __future__ import annotations

import functools
import hashlib
import json
import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from battery_lab.common.atomic_write import atomic_path, atomic_write
from battery_lab.envs.layout import Layout
from battery_lab.observations.observation_set import ObservationSet
from battery_lab.observations.observer import Table
from battery_lab.observations.scaling import Scaling

PACKAGE = Path(__file__).resolve().parents[1]
ROOMS = ("observations", "market")  # code that observations depend on
KEPT = 4  # tables in the cache; one takes about 100 MB for four years of five minutes
# A cache costs time at most, so whatever is wrong with a file, it is computed again.
DAMAGE = (OSError, ValueError, KeyError, TypeError, EOFError)


@dataclass(frozen=True, kw_only=True)
class ObservationCache:
    """Scales and tables of one observation set on one market.

    If a feature is not part of the lab, nothing is stored, because a change of its code would not be noticed. A file
    that cannot be written is no error.

    Attributes:
        folder: folder of all caches.
        observation: the observation set.
        data: identifies the prices.
        price_lag: 0 if the price of the dispatched interval is known, 1 if only the price before it is.
    """

    folder: str
    observation: ObservationSet
    data: str
    price_lag: int

    def scaling(self, rows: int, fit: Callable[[], Scaling]) -> Scaling:
        """Return the scales, fitted now or earlier on the same number of rows at the start of the data."""
        if not self._is_own_code:
            return fit()
        file = self._file("scales", rows).with_suffix(".json")
        with suppress(*DAMAGE):
            return Scaling.from_json(json.loads(file.read_text()))
        scaling = fit()
        with suppress(OSError):
            file.parent.mkdir(parents=True, exist_ok=True)
            atomic_write(file, json.dumps(scaling.to_json()))
        return scaling

    def table(self, scaling: Scaling, tabulate: Callable[[], Table]) -> Table:
        """Return the table of the whole series, computed now or earlier with the same scales.

        A stored table stays on disk, and processes that use it share the memory of what they read.
        """
        if not self._is_own_code:
            return tabulate()
        file = self._file("observations", scaling.to_json())
        with suppress(*DAMAGE):
            return _load(file)
        table = tabulate()
        # A window is a view, which is computed faster than it is stored.
        if table.window is None:
            with suppress(OSError):
                _store(file, table)
        return table

    @property
    def _is_own_code(self) -> bool:
        parts = (self.observation, *self.observation.features.values())
        return all(type(part).__module__.rpartition(".")[0] == __package__ for part in parts)

    def _file(self, kind: str, more: object) -> Path:
        key = repr((self.data, self.price_lag, self.observation, np.__version__, _code_digest(), more))
        return Path(self.folder) / kind / f"{hashlib.sha256(key.encode()).hexdigest()[:24]}.npy"


def _load(file: Path) -> Table:
    stored = json.loads(file.with_suffix(".json").read_text())
    layout = Layout(**stored["layout"] | {"names": tuple(stored["layout"]["names"])})
    # Writable in memory, as numba keeps compiled code for such arrays only; nothing is written to the file.
    values = np.load(file, mmap_mode="c", allow_pickle=False)
    if values.dtype != np.float32 or values.shape != tuple(stored["shape"]):
        raise ValueError(f"{file} holds another table")
    os.utime(file)
    return Table(layout=layout, values=np.asarray(values), window=None)


def _store(file: Path, table: Table) -> None:
    """Write a table, and remove those that were not used for the longest time."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(file) as part:
        np.save(part, table.values)
    # Last: a table without it is not used.
    about = {"layout": asdict(table.layout), "shape": table.values.shape}
    atomic_write(file.with_suffix(".json"), json.dumps(about))
    for old in sorted(file.parent.glob("[!p]*.npy"), key=lambda path: path.stat().st_mtime)[:-KEPT]:
        for path in (old.with_suffix(".json"), old):
            path.unlink(missing_ok=True)


@functools.cache
def _code_digest() -> str:
    hasher = hashlib.sha256()
    for path in sorted(path for room in ROOMS for path in (PACKAGE / room).glob("*.py")):
        hasher.update(path.read_bytes())
    return hasher.hexdigest()[:16]
