"""``launcher=sagemaker``: each trial a SageMaker training job, followed from here, its results brought home."""

# No postponed annotations: Hydra runs this file before Python knows its module, where dataclasses would look for them.

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from hydra.core.config_store import ConfigStore
from hydra.core.utils import JobReturn
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import MISSING, DictConfig, OmegaConf


@dataclass
class SageMakerLauncherConf:
    """Options of the launcher; ``conf/launcher/sagemaker.yaml`` has the values."""

    _target_: str = "hydra_plugins.battery_lab_launchers.sagemaker_launcher.SageMakerLauncher"
    role: str | None = MISSING
    image_uri: str | None = MISSING
    region: str | None = MISSING
    bucket: str | None = MISSING
    prefix: str = MISSING
    instance_type: str | None = MISSING
    instance_count: int | None = MISSING
    instance_groups: list[Any] = MISSING
    learner_group: str | None = MISSING
    volume_size_gb: int = MISSING
    max_run_s: int = MISSING
    spot: bool = MISSING
    max_wait_s: int | None = MISSING
    checkpoint_s3_uri: str | None = MISSING
    max_retry_attempts: int = MISSING
    subnets: list[str] = MISSING
    security_group_ids: list[str] = MISSING
    volume_kms_key: str | None = MISSING
    output_kms_key: str | None = MISSING
    encrypt_inter_container_traffic: bool = MISSING
    enable_network_isolation: bool = MISSING
    # Null or a mapping: Hydra takes no new names into one that is there.
    tags: Any = MISSING
    environment: Any = MISSING
    keep_alive_period_s: int = MISSING
    max_parallel: int = MISSING
    poll_interval_s: float = MISSING
    experiment: str | None = MISSING
    on_interrupt: str = MISSING
    wait: bool = MISSING
    checkpoint: str | None = MISSING
    evaluate_only: bool = MISSING
    prices: Any = MISSING
    currency: str = MISSING
    rehearsal: str | None = MISSING


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
        from hydra_plugins.battery_lab_launchers._sagemaker_sweep import launch

        return launch(self, job_overrides)
