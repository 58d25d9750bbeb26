"""``sweeper=tune``: searches a space with Ray Tune's search algorithms and stops unpromising trials early."""

# No `from __future__ import annotations`: Hydra executes this file before its module is in sys.modules, where
# dataclasses would look up postponed annotations.

from dataclasses import dataclass
from typing import Any

from hydra.core.config_store import ConfigStore
from hydra.core.plugins import Plugins
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import MISSING, DictConfig


@dataclass
class TuneSweeperConf:
    """Options of the sweeper. Their defaults are in conf/sweeper/tune.yaml.

    Attributes:
        samples: number of points of the space to train.
        search: ``random``, or ``optuna``, which learns from earlier results.
        search_seed: seed of the search, independent of the seeds of trials.
        prune: whether to stop trials that are behind others at the same environment steps (ASHA, Li et al. 2020).
        grace_steps: environment steps before a trial may be stopped. None: until its first validation.
        reduction: each rung keeps one of this many trials, and rungs are spaced by this factor.
        repeats: keys whose values repeat each point instead of being searched.
    """

    _target_: str = "hydra_plugins.battery_lab_launchers.tune_sweeper.TuneSweeper"
    samples: int = MISSING
    search: str = MISSING
    search_seed: int = MISSING
    prune: bool = MISSING
    grace_steps: int | None = MISSING
    reduction: float = MISSING
    repeats: list[str] = MISSING


ConfigStore.instance().store(
    group="hydra/sweeper", name="battery_lab_tune", node=TuneSweeperConf, provider="battery_lab_launchers"
)


class TuneSweeper(Sweeper):
    """Searches for the best validation capture on a Ray cluster."""

    def __init__(self, **options: Any) -> None:
        """Store the options. They are validated when the search starts."""
        self.options = options

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        self.context = hydra_context
        self.launcher = Plugins.instance().instantiate_launcher(
            hydra_context=hydra_context, task_function=task_function, config=config
        )

    def sweep(self, arguments: list[str]) -> Any:
        """Run the search, and return the best validation capture."""
        from hydra_plugins.battery_lab_launchers._tune_sweep import search

        return search(arguments, self.launcher, self.context, self.options)
