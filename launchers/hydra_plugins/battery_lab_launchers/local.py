"""``launcher=local``: trials on this machine, each in a process of its own."""

# No postponed annotations: Hydra runs this file before Python knows its module, where dataclasses would look for them.

from collections.abc import Sequence
from dataclasses import dataclass

from hydra.core.config_store import ConfigStore
from hydra.core.utils import JobReturn
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig


@dataclass
class LocalLauncherConf:
    """Options of the launcher.

    Attributes:
        parallel: trials at once.
        cores: processor cores of each trial; None: an equal share of all that this process may use.
    """

    _target_: str = "hydra_plugins.battery_lab_launchers.local.LocalLauncher"
    parallel: int = 1
    cores: int | None = None


ConfigStore.instance().store(
    group="hydra/launcher", name="battery_lab_local", node=LocalLauncherConf, provider="battery_lab_launchers"
)


class LocalLauncher(Launcher):
    """Runs trials here, some at a time."""

    def __init__(self, parallel: int, cores: int | None) -> None:
        """Remember the options; they are checked when trials are launched."""
        self.parallel, self.cores = parallel, cores

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Take what Hydra hands to a launcher."""
        self.hydra_context, self.task_function, self.config = hydra_context, task_function, config

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        """Run one trial for each list of overrides; trials are numbered by the sweep's journal."""
        from hydra_plugins.battery_lab_launchers._local_pool import LocalPool
        from hydra_plugins.battery_lab_launchers._sweep import launch

        return launch(self, job_overrides, LocalPool(parallel=self.parallel, cores=self.cores))
