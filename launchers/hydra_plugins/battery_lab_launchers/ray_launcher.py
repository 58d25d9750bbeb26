"""``launcher=ray``: each trial a task on a Ray cluster, with the processors and GPUs that it declares."""

# No postponed annotations: Hydra runs this file before Python knows its module, where dataclasses would look for them.

from collections.abc import Sequence
from dataclasses import dataclass

from hydra.core.config_store import ConfigStore
from hydra.core.utils import JobReturn
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig


@dataclass
class RayLauncherConf:
    """Options of the launcher.

    Attributes:
        address: of the cluster's head, ``host:port``; ``local`` starts one on this machine, for this sweep.
        cpus: CPUs of a trial's own process.
        gpus: GPUs of a trial's own process.
    """

    _target_: str = "hydra_plugins.battery_lab_launchers.ray_launcher.RayLauncher"
    address: str = "local"
    cpus: float = 1
    gpus: float = 0


ConfigStore.instance().store(
    group="hydra/launcher", name="battery_lab_ray", node=RayLauncherConf, provider="battery_lab_launchers"
)


class RayLauncher(Launcher):
    """Runs trials on a Ray cluster, as many at a time as it has room for."""

    def __init__(self, address: str, cpus: float, gpus: float) -> None:
        """Remember the options; they are checked when trials are launched."""
        self.address, self.cpus, self.gpus = address, cpus, gpus

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Take what Hydra hands to a launcher."""
        self.hydra_context, self.task_function, self.config = hydra_context, task_function, config

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        """Run one trial for each list of overrides; trials are numbered by the sweep's journal."""
        from hydra_plugins.battery_lab_launchers._ray_pool import RayPool
        from hydra_plugins.battery_lab_launchers._sweep import launch

        return launch(self, job_overrides, RayPool(address=self.address, cpus=self.cpus, gpus=self.gpus))
