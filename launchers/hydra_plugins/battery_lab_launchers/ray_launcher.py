"""``launcher=ray``: runs trials as tasks of a Ray cluster, with the CPUs and GPUs that they declare."""

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
class RayLauncherConf:
    """Options of the launcher. Their defaults are in conf/launcher/ray.yaml.

    Attributes:
        address: address of the cluster's head, ``host:port``. ``local`` starts a cluster on this machine for the sweep.
        cpus: CPUs of a trial's own process. Each env runner and learner takes one more.
        gpus: GPUs of a trial's own process.
    """

    _target_: str = "hydra_plugins.battery_lab_launchers.ray_launcher.RayLauncher"
    address: str = MISSING
    cpus: float = MISSING
    gpus: float = MISSING


ConfigStore.instance().store(
    group="hydra/launcher", name="battery_lab_ray", node=RayLauncherConf, provider="battery_lab_launchers"
)


class RayLauncher(Launcher):
    """Runs trials on a Ray cluster, as many at a time as it has resources for."""

    def __init__(self, address: str, cpus: float, gpus: float) -> None:
        """Store the options. They are validated when trials are launched."""
        self.address, self.cpus, self.gpus = address, cpus, gpus

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        self.hydra_context, self.task_function, self.config = hydra_context, task_function, config

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        """Run one trial per list of overrides. The sweep's journal numbers the trials, not ``initial_job_idx``."""
        from hydra_plugins.battery_lab_launchers._ray_pool import RayOptions, RayPool
        from hydra_plugins.battery_lab_launchers._sweep_launch import launch

        options = RayOptions(address=self.address, cpus=self.cpus, gpus=self.gpus)
        return launch(self, job_overrides, RayPool(options))
