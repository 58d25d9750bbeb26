"""``launcher=local``: runs trials on this machine, each in a process of its own."""

# No `from __future__ import annotations`: Hydra executes this file before its module is in sys.modules, where
# dataclasses would look up postponed annotations.

from collections.abc import Sequence
from dataclasses import dataclass

from hydra.core.config_store import ConfigStore
from hydra.core.utils import JobReturn
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import MISSING, DictConfig


@dataclass
class LocalLauncherConf:
    """Options of the launcher. Their defaults are in conf/launcher/local.yaml.

    Attributes:
        parallel: number of trials that run at once.
        cores: CPU cores per trial. None: an equal share of the cores that this process may use.
    """

    _target_: str = "hydra_plugins.battery_lab_launchers.local_launcher.LocalLauncher"
    parallel: int = MISSING
    cores: int | None = MISSING


ConfigStore.instance().store(
    group="hydra/launcher", name="battery_lab_local", node=LocalLauncherConf, provider="battery_lab_launchers"
)


class LocalLauncher(Launcher):
    """Runs trials in processes of this machine."""

    def __init__(self, parallel: int, cores: int | None) -> None:
        """Store the options. They are validated when trials are launched."""
        self.parallel, self.cores = parallel, cores

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        self.hydra_context, self.task_function, self.config = hydra_context, task_function, config

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        """Run one trial per list of overrides. The sweep's journal numbers the trials, not ``initial_job_idx``."""
        from hydra_plugins.battery_lab_launchers._local_pool import LocalOptions, LocalPool
        from hydra_plugins.battery_lab_launchers._sweep_launch import launch

        return launch(self, job_overrides, LocalPool(LocalOptions(parallel=self.parallel, cores=self.cores)))
