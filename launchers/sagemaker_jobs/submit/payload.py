"""Getting a trial ready to travel, and having the service create its job."""

from __future__ import annotations

import hashlib
import json
import re
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from glob import glob
from pathlib import Path
from typing import Protocol

from omegaconf import DictConfig, OmegaConf

from battery_lab.common.errors import ConfigError
from battery_lab.common.run_folder import RunFolder
from battery_lab.config.environment import data_keys, metric_names
from battery_lab.config.stored_trial import note_choices, store_trial
from battery_lab.config.sweep_name import choices_of_trials
from battery_lab.sweep.trial_id import package_versions
from battery_lab.tracking.mlflow_sweep_run import COMMAND
from battery_lab.tracking.sync_state import read_sync_state, write_sync_state
from sagemaker_jobs.aws.connection import Connection
from sagemaker_jobs.aws.experiments import make_experiment
from sagemaker_jobs.aws.job_names import who as who_of
from sagemaker_jobs.aws.s3_layout import Places, split
from sagemaker_jobs.container.channels import CODE, PACKAGES
from sagemaker_jobs.container.ray_cluster import TOKEN
from sagemaker_jobs.container.run_trial import NUMBER
from sagemaker_jobs.options.field_types import LONGEST_EXPERIMENT
from sagemaker_jobs.options.job_options import JobOptions
from sagemaker_jobs.submit import training_request as requests
from sagemaker_jobs.submit.custom_code import code_archive
from sagemaker_jobs.submit.live_tracking import make_parent, travelling
from sagemaker_jobs.submit.uploads import Staging


class Sent(Protocol):
    """A trial as the launcher's core hands it over."""

    config: DictConfig
    identity: str
    counts_as: str


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """A trial that is ready to travel.

    Attributes:
        number: of the trial.
        who: digits of what its job does.
        choices: its overrides.
        learners: RLlib learners in processes of their own.
        config: the trial as the job is to read it.
        paths: where its data lie, by the configuration keys that name them.
        code: a zip file of the modules outside the lab that its parts come from; None without.
        resume: its folder, where an earlier try on this machine left a checkpoint to go on from; None: none.
    """

    number: int
    who: str
    choices: Sequence[str]
    learners: int
    config: DictConfig
    paths: Mapping[str, str]
    code: bytes | None
    resume: Path | None


class Sender:
    """Sends the trials of a sweep."""

    def __init__(
        self,
        options: JobOptions,
        places: Places,
        connection: Connection,
        sweep: Path,
        dry: bool = False,
    ) -> None:
        """Remember all.

        Args:
            options: of all jobs.
            places: of the sweep.
            connection: to AWS.
            sweep: its folder.
            dry: whether nothing is sent or written.
        """
        self.places = places
        self._options, self._connection, self._sweep = options, connection, sweep
        self._staging = Staging(connection, places, dry)
        self._source, self._dry, self._has_parent = "", dry, False

    @property
    def _start(self) -> str | None:
        """What all trials go on from or judge; of S3, a folder there and not all whose names begin so."""
        start = self._options.checkpoint
        return f"{start.rstrip('/')}/" if start is not None and start.startswith("s3://") else start

    def open(self) -> None:
        """Send what all trials share."""
        self._source = self._staging.source()
        if not self._dry and not self._options.local:
            make_experiment(self._connection, self.experiment)

    @property
    def experiment(self) -> str:
        """The name of the sweep's experiment."""
        return self._options.experiment or plain_name(self._sweep.name)

    def check(self, job: Sent) -> None:
        """Raise ConfigError where a trial cannot be sent, as far as this machine can tell."""
        for key, path in data_paths(job.config).items():
            if not path.startswith("s3://"):
                data_files(key, path)
        actors = sum(int(OmegaConf.select(job.config, f"algo.{of}") or 0) for of in ("num_env_runners", "num_learners"))
        if self._options.hosts > 1 and (actors == 0 or self._options.evaluate_only):
            raise ConfigError(
                f"a job of {self._options.hosts} hosts must have runners or learners for them, got "
                "algo.num_env_runners=0 and num_learners=0 or a policy to judge: choose some, or one host"
            )
        requests.parameters("", "", 0, _choices(job))

    def prepare(self, number: int, folder: Path, job: Sent) -> Prepared:
        """Write the trial into its folder, and return it as it is to travel.

        Args:
            number: of the trial.
            folder: of the trial.
            job: as the launcher's core hands it over.

        Raises:
            ConfigError: its data cannot be sent.
        """
        config = OmegaConf.masked_copy(job.config, [str(key) for key in job.config if key != "hydra"])
        note_choices(config, job.config.hydra.runtime.choices)
        if not self._dry:
            store_trial(config, folder)
        paths, code = data_paths(config), code_archive(config)
        marks = "".join(self._staging.mark(uri) for uri in (*paths.values(), self._start))
        digest = "" if code is None else hashlib.sha256(code).hexdigest()
        return Prepared(
            number=number,
            who=who_of(job.identity, f"{job.counts_as}{marks}{digest}"),
            choices=_choices(job),
            learners=int(OmegaConf.select(config, "algo.num_learners") or 0),
            config=travelling(config),
            paths=paths,
            code=code,
            resume=None if job.config.get("resume") is None else folder,
        )

    def send(self, name: str, prepared: Prepared) -> None:
        """Send a trial's files and have its job created; raises what the service answers."""
        number, who = prepared.number, prepared.who
        files = {} if self._dry else self._files(prepared)
        request = requests.Request(
            name=name,
            number=number,
            who=who,
            sweep=self._sweep.name,
            choices=prepared.choices,
            learners=prepared.learners,
            source=self._source,
            trial=self._staging.trial(number, name, files),
            data=[self._data(key, path) for key, path in prepared.paths.items()],
            metrics=metric_names(prepared.config),
            start=self._started(prepared.resume),
        )
        experiment = None if self._options.local else self.experiment
        requests.send(request, self._options, self.places, self._connection, experiment)

    def _files(self, prepared: Prepared) -> dict[str, bytes]:
        if not self._has_parent:
            make_parent(prepared.config, self._sweep)
            self._has_parent = True
        state = read_sync_state(self._sweep)
        # Kept, so that all trials find one parent in a store of trials.
        write_sync_state(self._sweep, state)
        files = {
            RunFolder.TRIAL: OmegaConf.to_yaml(prepared.config).encode(),
            NUMBER: str(prepared.number).encode(),
            COMMAND: b"{}",
            PACKAGES: json.dumps(sorted(package_versions())).encode(),
            RunFolder.SYNC_STATE: RunFolder(self._sweep).sync_state.read_bytes(),
        }
        if prepared.code is not None:
            files[CODE] = prepared.code
        if self._options.hosts > 1:
            files[TOKEN] = secrets.token_hex(32).encode()
        return files

    def _data(self, key: str, path: str) -> str:
        if path.startswith("s3://"):
            return path
        return self._staging.data(data_files(key, path))

    def _started(self, resume: Path | None) -> str | None:
        start = self._start if resume is None else str(resume)
        if start is None or start.startswith("s3://"):
            return start
        return self._staging.data([Path(start).expanduser()])


def _choices(job: Sent) -> list[str]:
    return choices_of_trials([str(choice) for choice in job.config.hydra.overrides.task])


def data_paths(config: DictConfig) -> dict[str, str]:
    """Return where the data of a trial are, by the configuration keys that its environment declares."""
    return {key: channel_path(key, str(OmegaConf.select(config, key))) for key in data_keys(config)}


def channel_path(key: str, path: str) -> str:
    """Return a data path as a channel takes it.

    Args:
        key: the configuration key that names the path.
        path: on this machine or in S3.

    Raises:
        ConfigError: it is a pattern in S3.
    """
    if not path.startswith("s3://"):
        return path
    name = split(path)[1]
    if any(sign in name for sign in "*?["):
        raise ConfigError(f"{key}={path} must be an object of S3 or a folder there, as channels know no patterns")
    # A channel takes all whose keys begin so; without the end of a name that is too many.
    return path if Path(name).suffix or path.endswith("/") else f"{path}/"


def data_files(key: str, path: str) -> list[Path]:
    """Return the file or folder, or the files of a pattern, that a path of this machine names.

    Raises:
        ConfigError: there is nothing.
    """
    place = Path(path).expanduser()
    found = [place] if place.exists() else sorted(Path(one) for one in glob(str(place), recursive=True))
    if not found:
        raise ConfigError(
            f"{key}={path} must name a file, a folder or a pattern of this machine, or s3://, and there is none"
        )
    if len({one.parent for one in found}) > 1:
        raise ConfigError(
            f"{key}={path} must match files of one folder to be sent, and matches several: name the folder"
        )
    return found


def plain_name(text: str) -> str:
    """Return a text as a name that Experiments takes; what tells sweeps apart is at the end."""
    whole = re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-") or "sweep"  # as the SDK has it
    if len(whole) <= LONGEST_EXPERIMENT:
        return whole
    begin, end = whole[: LONGEST_EXPERIMENT - 9].rstrip("-"), whole[-8:].strip("-")
    return f"{begin}-{end}"
