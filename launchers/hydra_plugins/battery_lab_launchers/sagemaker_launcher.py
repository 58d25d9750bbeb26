"""``launcher=sagemaker``: each trial a SageMaker training job, followed from here, its results brought home."""

# No postponed annotations: Hydra runs this file before Python knows its module, where dataclasses would look for them.

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from hydra.core.config_store import ConfigStore
from hydra.core.utils import JobReturn
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf


@dataclass
class SageMakerLauncherConf:
    """Options of the launcher, explained in ``conf/launcher/sagemaker.yaml`` and ``sagemaker_jobs/options.py``."""

    _target_: str = "hydra_plugins.battery_lab_launchers.sagemaker_launcher.SageMakerLauncher"
    role: str | None = None
    image_uri: str | None = None
    region: str | None = None
    bucket: str | None = None
    prefix: str = "battery_lab"
    instance_type: str | None = "ml.c5.xlarge"
    instance_count: int | None = 1
    instance_groups: list[Any] = field(default_factory=list)
    learner_group: str | None = None
    volume_size_gb: int = 30
    max_run_s: int = 14_400
    spot: bool = False
    max_wait_s: int | None = None
    checkpoint_s3_uri: str | None = "auto"
    max_retry_attempts: int = 2
    subnets: list[str] = field(default_factory=list)
    security_group_ids: list[str] = field(default_factory=list)
    volume_kms_key: str | None = None
    output_kms_key: str | None = None
    encrypt_inter_container_traffic: bool = False
    enable_network_isolation: bool = False
    tags: dict[str, str] = field(default_factory=dict)
    environment: dict[str, str] = field(default_factory=dict)
    keep_alive_period_s: int = 0
    max_parallel: int = 4
    poll_interval_s: float = 30.0
    experiment: str | None = None
    on_interrupt: str = "stop"
    wait: bool = True
    checkpoint: str | None = None
    evaluate_only: bool = False
    prices: dict[str, float] = field(default_factory=dict)
    currency: str = "USD"
    rehearsal: str | None = None


ConfigStore.instance().store(
    group="hydra/launcher",
    name="battery_lab_sagemaker",
    node=SageMakerLauncherConf,
    provider="battery_lab_launchers",
)


class SageMakerLauncher(Launcher):
    """Runs trials as training jobs, so many at a time as the account's quota is to hold."""

    def __init__(self, **options: Any) -> None:
        """Remember the options; they are checked when trials are launched."""
        self.options = {
            name: OmegaConf.to_container(value) if OmegaConf.is_config(value) else value
            for name, value in options.items()
        }

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Take what Hydra hands to a launcher."""
        self.hydra_context, self.task_function, self.config = hydra_context, task_function, config

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        """Run one job for each list of overrides; trials are numbered by the sweep's journal."""
        from hydra_plugins.battery_lab_launchers._sagemaker import launch

        return launch(self, job_overrides)
