"""``sweeper=zip``: lists walk together, the first values of all, then the second ones; repeats are made of each."""

# No postponed annotations: Hydra runs this file before Python knows its module, where dataclasses would look for them.

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.config_store import ConfigStore
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException


@dataclass
class ZipSweeperConf:
    """Options of the sweeper.

    Attributes:
        repeats: keys whose values repeat each trial, rather than walk along.
        max_batch_size: how many trials a launcher is given at once; None: all.
        params: overrides as ``{key: values}``, as Hydra's own sweeper takes them.
    """

    _target_: str = "hydra_plugins.battery_lab_launchers.zip_sweeper.ZipSweeper"
    repeats: list[str] = field(default_factory=lambda: ["seed"])
    max_batch_size: int | None = None
    params: dict[str, str] | None = None


ConfigStore.instance().store(
    group="hydra/sweeper", name="battery_lab_zip", node=ZipSweeperConf, provider="battery_lab_launchers"
)


class ZipSweeper(BasicSweeper):
    """Hydra's own sweeper, but for how lists are combined."""

    def __init__(self, repeats: Sequence[str], max_batch_size: int | None, params: dict[str, str] | None) -> None:
        """Remember the keys that repeat trials."""
        super().__init__(max_batch_size, params)
        self.repeats = list(repeats)

    def split_arguments(  # type: ignore[override]
        self, overrides: list[Override], max_batch_size: int | None
    ) -> list[list[list[str]]]:
        """Return batches of trials, each the list of its overrides.

        Raises:
            HydraException: lists are of unequal lengths, or one has no end.
        """
        choices = {override.get_key_element(): _choices(override) for override in overrides}
        swept = {override.get_key_element() for override in overrides if override.is_sweep_override()}
        together = {key: choices[key] for key in choices if key in swept and key not in self.repeats}
        if len({len(values) for values in together.values()}) > 1:
            lengths = ", ".join(f"{key} has {len(values)}" for key, values in together.items())
            raise HydraException(
                f"sweeper=zip walks lists of one length, and {lengths}: make them as long, or use sweeper=grid"
            )
        count = max((len(values) for values in together.values()), default=1)
        repeats = [choices[key] if key in self.repeats and key in swept else [None] for key in choices]
        trials = []
        for place in range(count):
            for repeat in itertools.product(*repeats):
                trial = [
                    again or choices[key][place if key in together else 0]
                    for key, again in zip(choices, repeat, strict=True)
                ]
                trials.append(trial)
        return [list(batch) for batch in self.split_overrides_to_chunks(trials, max_batch_size)]


def _choices(override: Override) -> list[str]:
    key: Any = override.get_key_element()
    if not override.is_sweep_override():
        return [f"{key}={override.get_value_element_as_str()}"]
    if not override.is_discrete_sweep():
        raise HydraException(f"sweeper=zip takes lists, and {override.input_line} has no end: it is for sweeper=tune")
    return [f"{key}={value}" for value in override.sweep_string_iterator()]
