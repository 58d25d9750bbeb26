"""Observation cache: fitted scales and standardised features on disk, computed once per market and observation set."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from battery_lab.common.atomic_write import atomic_path, atomic_write
from battery_lab.common.cache_keys_and_cleanup import cache_folder, key_of, mark_used, source_digest, trim_cache
from battery_lab.envs.layout import Layout
from battery_lab.observations.fitted_scales import Scaling
from battery_lab.observations.observation_set import ObservationSet
from battery_lab.observations.observer import Table

PACKAGE = Path(__file__).resolve().parents[1]
# Code that observations depend on.
ROOMS = ("observations", "market", "planning")
MODULES = (PACKAGE / "envs/battery/physics.py", PACKAGE / "envs/battery/delivery.py")
CODE = source_digest((*(path for room in ROOMS for path in (PACKAGE / room).rglob("*.py")), *MODULES))


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
        # A cache costs time at most, so whatever is wrong with a file, it is computed again.
        with suppress(Exception):
            scaling = Scaling.from_json(json.loads(file.read_text()))
            mark_used(file)
            return scaling
        scaling = fit()
        with suppress(OSError):
            file.parent.mkdir(parents=True, exist_ok=True)
            atomic_write(file, json.dumps(scaling.to_json()))
            trim_cache(file.parents[1])
        return scaling

    def table(self, scaling: Scaling, tabulate: Callable[[], Table]) -> Table:
        """Return the table of the whole series, computed now or earlier with the same scales."""
        if not self._is_own_code:
            return tabulate()
        file = self._file("observations", scaling.to_json())
        with suppress(Exception):
            table = _load(file)
            mark_used(file)
            return table
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
        key = key_of(self.data, self.price_lag, self.observation, CODE, more)
        return cache_folder(self.folder) / kind / f"{key}.npz"


def _load(file: Path) -> Table:
    """Read a table into memory, so that nothing depends on the file afterwards.

    Raises:
        Exception: the file is missing or damaged; the archive has a checksum.
    """
    with np.load(file, allow_pickle=False) as stored:
        about, state_numbers, values = json.loads(str(stored["layout"])), int(stored["state_numbers"]), stored["values"]
    layout = Layout(**about | {"names": tuple(about["names"])})
    if values.dtype != np.float32 or values.ndim != 2 or state_numbers + values.shape[1] != layout.size:
        raise ValueError(f"{file} holds another table")
    return Table(layout=layout, values=values, window=None)


def _store(file: Path, table: Table) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    state_numbers = table.layout.size - table.values.shape[1]
    with atomic_path(file) as part, part.open("xb") as out:
        np.savez(out, layout=json.dumps(asdict(table.layout)), state_numbers=state_numbers, values=table.values)
    trim_cache(file.parents[1])
