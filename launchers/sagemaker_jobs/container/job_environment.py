"""Job environment: folders and hosts of a training job, as its container sees them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import count, takewhile
from pathlib import Path

from battery_lab.common.errors import DataError
from sagemaker_jobs.container.channels import CHECKPOINT_CHANNEL, TRIAL_CHANNEL, data_channel
from sagemaker_jobs.container.ray_cluster import Hosts

EVALUATE = "BATTERY_LAB_EVALUATE"  # environment variable


@dataclass(frozen=True, kw_only=True)
class JobEnvironment:
    """Folders and hosts of a job, from the variables that the training toolkit sets.

    Attributes:
        trial: the trial's channel.
        data: the channels of its data, in the order in which the environment declares their keys.
        start: the channel of a run to resume or evaluate; None if there is none.
        evaluate: whether the job evaluates that run's policy instead of training.
        sweep: folder that stands for the sweep's folder; the service saves it to S3 while the job runs.
        model: folder of the policy, which the service keeps.
        output: folder of all other results, which the service keeps.
        hosts: the hosts of the job.
    """

    trial: Path
    data: Sequence[Path]
    start: Path | None
    evaluate: bool
    sweep: Path
    model: Path
    output: Path
    hosts: Hosts

    @classmethod
    def read(cls, environment: Mapping[str, str]) -> JobEnvironment:
        """Read the environment variables of a job.

        Raises:
            DataError: the job has no trial.
        """
        trial, start = (environment.get(f"SM_CHANNEL_{name.upper()}") for name in (TRIAL_CHANNEL, CHECKPOINT_CHANNEL))
        data = takewhile(bool, (environment.get(f"SM_CHANNEL_{data_channel(index).upper()}") for index in count()))
        if not trial:
            raise DataError(
                f"the job has no channel {TRIAL_CHANNEL}, which holds the trial: send it by launcher=sagemaker"
            )
        return cls(
            trial=Path(trial),
            data=[Path(str(channel)) for channel in data],
            start=Path(start) if start else None,
            evaluate=environment.get(EVALUATE) == "1",
            sweep=base_folder(environment) / "checkpoints",
            model=Path(environment["SM_MODEL_DIR"]),
            output=Path(environment["SM_OUTPUT_DATA_DIR"]),
            hosts=Hosts.read(environment),
        )


def base_folder(environment: Mapping[str, str]) -> Path:
    """Return the folder that the service shares with the container."""
    return Path(environment.get("SAGEMAKER_BASE_DIR", "/opt/ml"))
