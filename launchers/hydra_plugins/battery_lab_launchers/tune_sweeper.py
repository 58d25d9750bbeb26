"""``sweeper=tune``: searches a space with Ray Tune's own searchers, and ends early what will not win."""

# No postponed annotations: Hydra runs this file before Python knows its module, where dataclasses would look for them.

from dataclasses import dataclass, field
from typing import Any

from hydra.core.config_store import ConfigStore
from hydra.core.plugins import Plugins
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig


@dataclass
class TuneSweeperConf:
    """Options of the sweeper.

    Attributes:
        samples: how many points of the space are tried.
        search: ``random``, or ``optuna``, which learns from what came out.
        search_seed: of the search; a trial has its own.
        prune: whether trials end early that are behind others at the same environment steps (ASHA, Li et al. 2020).
        grace_steps: environment steps that each trial is given; None: until its first validation.
        reduction: one in so many goes on past each rung, and rungs are so many times further apart.
        repeats: keys whose values repeat each point, rather than being searched.
    """

    _target_: str = "hydra_plugins.battery_lab_launchers.tune_sweeper.TuneSweeper"
    samples: int = 16
    search: str = "random"
    search_seed: int = 0
    prune: bool = True
    grace_steps: int | None = None
    reduction: float = 3
    repeats: list[str] = field(default_factory=lambda: ["seed"])


ConfigStore.instance().store(
    group="hydra/sweeper", name="battery_lab_tune", node=TuneSweeperConf, provider="battery_lab_launchers"
)


class TuneSweeper(Sweeper):
    """Searches on a Ray cluster."""

    def __init__(self, **options: Any) -> None:
        """Remember the options; they are checked when the search begins."""
        self.options = options

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Take what Hydra hands to a sweeper, and have the launcher set up."""
        self.context = hydra_context
        self.launcher = Plugins.instance().instantiate_launcher(
            hydra_context=hydra_context, task_function=task_function, config=config
        )

    def sweep(self, arguments: list[str]) -> Any:
        """Search; returns the best validation capture that was found."""
        from hydra_plugins.battery_lab_launchers._tune_sweep import search

        return search(arguments, self.launcher, self.context, self.options)
