"""``launcher=sagemaker``: runs each trial as a SageMaker training job and downloads its results."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hydra.core.config_store import ConfigStore
from hydra.core.utils import JobReturn
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf

if TYPE_CHECKING:
    from battery_lab.sweep.interfaces import RemoteJobs

# The options are in conf/launcher/sagemaker.yaml; sagemaker_jobs.options.job_options.JobOptions checks them.
ConfigStore.instance().store(
    group="hydra/launcher",
    name="battery_lab_sagemaker",
    node={"_target_": "hydra_plugins.battery_lab_launchers.sagemaker_launcher.SageMakerLauncher"},
    provider="battery_lab_launchers",
)


class SageMakerLauncher(Launcher):
    """Runs trials as training jobs, at most ``max_parallel`` at a time."""

    def __init__(self, **options: Any) -> None:
        """Store the options, which are checked when trials are launched."""
        self.options = {
            name: OmegaConf.to_container(value) if OmegaConf.is_config(value) else value
            for name, value in options.items()
        }

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        self.hydra_context, self.task_function, self.config = hydra_context, task_function, config

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        """Run one job per list of overrides. The sweep's journal numbers the trials, not ``initial_job_idx``."""
        from hydra_plugins.battery_lab_launchers._sagemaker_launch import launch

        return launch(self, job_overrides)

    @staticmethod
    def remote_jobs(folder: Path) -> RemoteJobs | None:
        """Return the jobs of the sweep in a folder, for `battery-lab sweep`. None: it has no SageMaker jobs."""
        from sagemaker_jobs.collect.sweep_record import has_record

        if not has_record(folder):
            return None
        from hydra_plugins.battery_lab_launchers import _sagemaker_collect_and_logs

        return _sagemaker_collect_and_logs
