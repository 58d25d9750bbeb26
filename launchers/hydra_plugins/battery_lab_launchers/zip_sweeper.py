"""``sweeper=zip``: combines the i-th values of all lists into the i-th trial, and repeats each trial per seed."""

# No `from __future__ import annotations`: Hydra executes this file before its module is in sys.modules, where
# dataclasses would look up postponed annotations.

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.config_store import ConfigStore
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException
from omegaconf import MISSING


@dataclass
class ZipSweeperConf:
    """Options of the sweeper. The default of ``repeats`` is in conf/sweeper/zip.yaml.

    Attributes:
        repeats: keys whose values repeat each trial instead of being zipped.
        max_batch_size: number of trials that a launcher receives at once. None: all. As in Hydra's basic sweeper.
        params: overrides as ``{key: values}``. As in Hydra's basic sweeper.
    """

    _target_: str = "hydra_plugins.battery_lab_launchers.zip_sweeper.ZipSweeper"
    repeats: list[str] = MISSING
    max_batch_size: int | None = None
    params: dict[str, str] | None = None


ConfigStore.instance().store(
    group="hydra/sweeper", name="battery_lab_zip", node=ZipSweeperConf, provider="battery_lab_launchers"
)


class ZipSweeper(BasicSweeper):
    """Hydra's basic sweeper, except that lists are zipped instead of multiplied."""

    def __init__(self, repeats: Sequence[str], max_batch_size: int | None, params: dict[str, str] | None) -> None:
        super().__init__(max_batch_size, params)
        self.repeats = list(repeats)

    def split_arguments(  # type: ignore[override]
        self, overrides: list[Override], max_batch_size: int | None
    ) -> list[list[list[str]]]:
        """Return batches of trials, each trial a list of overrides.

        Raises:
            HydraException: lists have different lengths, or an override is an interval.
        """
        # The command line comes after the parameters of the configuration, and replaces them.
        overrides = list({override.get_key_element(): override for override in overrides}.values())
        choices = {override.get_key_element(): _choices(override) for override in overrides}
        swept = {override.get_key_element() for override in overrides if override.is_sweep_override()}
        zipped = {key: choices[key] for key in choices if key in swept and key not in self.repeats}
        if len({len(values) for values in zipped.values()}) > 1:
            lengths = ", ".join(f"{key} has {len(values)}" for key, values in zipped.items())
            raise HydraException(
                f"sweeper=zip needs lists of equal length, but {lengths}: make them equal, or use sweeper=grid"
            )
        count = max((len(values) for values in zipped.values()), default=1)
        repeats = [choices[key] if key in self.repeats and key in swept else [None] for key in choices]
        trials = []
        for index in range(count):
            for repeat in itertools.product(*repeats):
                trial = [
                    repeated or choices[key][index if key in zipped else 0]
                    for key, repeated in zip(choices, repeat, strict=True)
                ]
                trials.append(trial)
        return [list(batch) for batch in self.split_overrides_to_chunks(trials, max_batch_size)]


def _choices(override: Override) -> list[str]:
    key: Any = override.get_key_element()
    if not override.is_sweep_override():
        return [f"{key}={override.get_value_element_as_str()}"]
    if not override.is_discrete_sweep():
        raise HydraException(
            f"sweeper=zip needs lists, but {override.input_line} is an interval: list its values, or use sweeper=tune"
        )
    return [f"{key}={value}" for value in override.sweep_string_iterator()]
