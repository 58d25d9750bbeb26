"""Trial sender: a trial is prepared for its job, uploaded and sent."""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from omegaconf import DictConfig, OmegaConf

from battery_lab.common.errors import ConfigError
from battery_lab.common.run_folder import SWEEP_COMMAND, RunFolder
from battery_lab.config.environment_class_attributes import metric_names
from battery_lab.config.override_kinds import choices_of_trials
from battery_lab.config.stored_trial import note_choices, store_trial
from battery_lab.sweep.lab_version import package_versions
from battery_lab.tracking.mlflow_sync_state import read_sync_state, write_sync_state
from sagemaker_jobs.aws.connection import Connection
from sagemaker_jobs.aws.experiments import create_experiment, experiment_name
from sagemaker_jobs.aws.job_names import job_digest
from sagemaker_jobs.aws.s3_layout import S3Layout
from sagemaker_jobs.container.channels import CODE
from sagemaker_jobs.container.package_check import PACKAGES
from sagemaker_jobs.container.ray_cluster import TOKEN
from sagemaker_jobs.container.run_trial import NUMBER
from sagemaker_jobs.options.job_options import JobOptions
from sagemaker_jobs.submit import training_request
from sagemaker_jobs.submit.custom_code import code_archive
from sagemaker_jobs.submit.data_file_lookup import data_files, data_paths
from sagemaker_jobs.submit.local_settings_removal import config_for_job
from sagemaker_jobs.submit.mlflow_sweep_run import create_sweep_run
from sagemaker_jobs.submit.uploads import Uploads


class SweepTrial(Protocol):
    """A trial as the launchers' sweep starts it."""

    config: DictConfig
    identity: str
    counts_as: str


@dataclass(frozen=True, kw_only=True)
class PreparedTrial:
    """A trial that is ready to be sent.

    Attributes:
        number: the number of the trial.
        digest: the digest of the trial and the lab's source.
        overrides: the overrides of the trial.
        learners: number of RLlib learners in processes of their own.
        config: the trial as its job reads it.
        data: paths or URIs of its data, by the configuration keys that name them.
        code: zip file of the modules outside the lab that its parts come from; None if there are none.
        resume: its folder, if an earlier attempt on this machine left a checkpoint there; None if not.
    """

    number: int
    digest: str
    overrides: Sequence[str]
    learners: int
    config: DictConfig
    data: Mapping[str, str]
    code: bytes | None
    resume: Path | None


class Sender:
    """Sends the trials of a sweep."""

    def __init__(
        self,
        options: JobOptions,
        layout: S3Layout,
        connection: Connection,
        sweep: Path,
        dry_run: bool = False,
    ) -> None:
        """Store the parts.

        Args:
            options: the options of all jobs.
            layout: the layout of the sweep in S3.
            connection: the connection to AWS.
            sweep: its folder.
            dry_run: whether nothing is sent or written.
        """
        self.layout = layout
        self._options, self._connection, self._sweep = options, connection, sweep
        self._uploads = Uploads(connection, layout, dry_run)
        self._source, self._dry_run, self._has_sweep_run = "", dry_run, False

    @property
    def _start(self) -> str | None:
        """The run that all trials resume or evaluate; in S3 with a final slash, as channels take key prefixes."""
        start = self._options.checkpoint
        return f"{start.rstrip('/')}/" if start is not None and start.startswith("s3://") else start

    def open(self) -> None:
        """Upload what all trials share."""
        self._source = self._uploads.source()
        if not self._dry_run and not self._options.local:
            create_experiment(self._connection, self.experiment)

    @property
    def experiment(self) -> str:
        """The name of the sweep's experiment."""
        return self._options.experiment or experiment_name(self._sweep.name)

    def validate(self, job: SweepTrial) -> None:
        """Raise ConfigError if a trial cannot be sent, as far as this machine can tell."""
        for key, path in data_paths(job.config).items():
            if not path.startswith("s3://"):
                data_files(key, path)
        actors = sum(
            int(OmegaConf.select(job.config, f"algo.{key}") or 0) for key in ("num_env_runners", "num_learners")
        )
        if self._options.hosts > 1 and (actors == 0 or self._options.evaluate_only):
            raise ConfigError(
                f"a job of {self._options.hosts} hosts must have env runners or learners for them, got "
                "algo.num_env_runners=0 and num_learners=0 or evaluate_only=true: choose some, or one host"
            )
        training_request.hyperparameters("", "", 0, _overrides(job))

    def prepare(self, number: int, folder: Path, job: SweepTrial) -> PreparedTrial:
        """Write the trial into its folder, and return it prepared for its job.

        Args:
            number: the number of the trial.
            folder: the folder of the trial.
            job: the trial.

        Raises:
            ConfigError: its data cannot be sent.
        """
        config = OmegaConf.masked_copy(job.config, [str(key) for key in job.config if key != "hydra"])
        note_choices(config, job.config.hydra.runtime.choices)
        if not self._dry_run:
            store_trial(config, folder)
        data, code = data_paths(config), code_archive(config)
        contents = "".join(self._uploads.content_digest(uri) for uri in (*data.values(), self._start))
        code_digest = "" if code is None else hashlib.sha256(code).hexdigest()
        return PreparedTrial(
            number=number,
            digest=job_digest(job.identity, f"{job.counts_as}{contents}{code_digest}"),
            overrides=_overrides(job),
            learners=int(OmegaConf.select(config, "algo.num_learners") or 0),
            config=config_for_job(config),
            data=data,
            code=code,
            resume=None if job.config.get("resume") is None else folder,
        )

    def send(self, name: str, prepared: PreparedTrial) -> None:
        """Upload a trial's files and create its job; raises the errors of the service."""
        number = prepared.number
        files = {} if self._dry_run else self._files(prepared)
        request = training_request.JobRequest(
            name=name,
            number=number,
            digest=prepared.digest,
            sweep=self._sweep.name,
            overrides=prepared.overrides,
            learners=prepared.learners,
            source=self._source,
            trial=self._uploads.trial(number, name, files),
            data=[self._data_uri(key, path) for key, path in prepared.data.items()],
            metrics=metric_names(prepared.config),
            start=self._start_uri(prepared.resume),
        )
        experiment = None if self._options.local else self.experiment
        training_request.send(request, self._options, self.layout, self._connection, experiment)

    def _files(self, prepared: PreparedTrial) -> dict[str, bytes]:
        if not self._has_sweep_run:
            create_sweep_run(prepared.config, self._sweep)
            self._has_sweep_run = True
        state = read_sync_state(self._sweep)
        # Written, so that all trials find the same parent in a store of trials.
        write_sync_state(self._sweep, state)
        files = {
            RunFolder.TRIAL: OmegaConf.to_yaml(prepared.config).encode(),
            NUMBER: str(prepared.number).encode(),
            SWEEP_COMMAND: b"{}",
            PACKAGES: json.dumps(sorted(package_versions())).encode(),
            RunFolder.SYNC_STATE: RunFolder(self._sweep).sync_state.read_bytes(),
        }
        if prepared.code is not None:
            files[CODE] = prepared.code
        if self._options.hosts > 1:
            files[TOKEN] = secrets.token_hex(32).encode()
        return files

    def _data_uri(self, key: str, path: str) -> str:
        if path.startswith("s3://"):
            return path
        return self._uploads.data(data_files(key, path))

    def _start_uri(self, resume: Path | None) -> str | None:
        start = self._start if resume is None else str(resume)
        if start is None or start.startswith("s3://"):
            return start
        return self._uploads.data([Path(start).expanduser()])


def _overrides(job: SweepTrial) -> list[str]:
    return choices_of_trials([str(choice) for choice in job.config.hydra.overrides.task])
