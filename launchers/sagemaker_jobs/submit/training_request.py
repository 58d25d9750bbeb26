"""Training requests: a trial's job as an estimator of SageMaker's SDK, which creates it."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from battery_lab.common.errors import ConfigError
from sagemaker_jobs.aws.connection import Connection, import_sdk
from sagemaker_jobs.aws.s3_layout import S3Layout
from sagemaker_jobs.container.channels import CHECKPOINT_CHANNEL, TRIAL_CHANNEL, data_channel
from sagemaker_jobs.container.job_environment import EVALUATE
from sagemaker_jobs.container.metric_lines import metric_definitions, reported_metrics
from sagemaker_jobs.container.ray_cluster import LEARNER_GROUP, LEARNERS
from sagemaker_jobs.options.field_types import TAG_CHARACTERS
from sagemaker_jobs.options.job_options import JobOptions
from sagemaker_jobs.submit.uploads import ENTRY

# Without those that the SDK adds.
MAX_PARAMETERS, MAX_PARAMETER_LENGTH, MAX_TAG_LENGTH = 93, 2500, 256
MAX_TAGS = 50
# Hyperparameters by which a launcher recognises its jobs.
DIGEST, SWEEP, TRIAL = "battery_lab.who", "battery_lab.sweep", "battery_lab.trial"
MLFLOW_URI = "MLFLOW_TRACKING_URI"
CHECKPOINTS = "/opt/ml/checkpoints"
UNUSED_ROLE = "arn:aws:iam::000000000000:role/local"  # required by the SDK in local mode, too


@dataclass(frozen=True, kw_only=True)
class JobRequest:
    """A job to create.

    Attributes:
        name: the name of the job.
        number: the number of the trial.
        digest: the digest of the trial and the lab's source.
        sweep: name of the sweep.
        overrides: the overrides of the trial, as on the command line.
        learners: number of RLlib learners in processes of their own.
        source: URI of the lab's source.
        trial: URI of the trial's folder.
        data: URIs of its data, in the order in which the environment declares their keys.
        metrics: names of the environment's metrics.
        start: URI of a run to resume or evaluate; None if there is none.
    """

    name: str
    number: int
    digest: str
    sweep: str
    overrides: Sequence[str]
    learners: int
    source: str
    trial: str
    data: Sequence[str]
    metrics: Sequence[str]
    start: str | None


def send(
    request: JobRequest, options: JobOptions, layout: S3Layout, connection: Connection, experiment: str | None
) -> None:
    """Create the job by the SDK; errors of the service are raised unchanged.

    Args:
        request: the job.
        options: the options of all jobs.
        layout: the layout of the sweep in S3.
        connection: the connection to AWS.
        experiment: the experiment in SageMaker Experiments, with a trial of the same name in it; None for none.
    """
    experiment_config = None
    if experiment is not None:
        experiment_config = {
            "ExperimentName": experiment,
            "TrialName": experiment,
            "TrialComponentDisplayName": request.name,
        }
    job = estimator(request, options, layout, connection)
    with _without_mlflow():
        job.fit(
            inputs=channels(request), wait=False, logs=None, job_name=request.name, experiment_config=experiment_config
        )


@contextmanager
def _without_mlflow() -> Iterator[None]:
    """Hide MLflow's address, with which the SDK would wait for jobs that have no network."""
    before = os.environ.pop(MLFLOW_URI, None)
    try:
        yield
    finally:
        if before is not None:
            os.environ[MLFLOW_URI] = before


def estimator(request: JobRequest, options: JobOptions, layout: S3Layout, connection: Connection) -> Any:
    """Return the SDK's estimator of a job."""
    import_sdk()
    from sagemaker.instance_group import InstanceGroup
    from sagemaker.rl import RLEstimator

    groups = [InstanceGroup(group.name, group.type, group.count) for group in options.instance_groups]
    hosts: dict[str, Any] = (
        {"instance_groups": groups}
        if groups
        else {"instance_type": options.instance_type, "instance_count": options.instance_count}
    )
    checkpoint_uri = layout.checkpoint(request.number, request.digest)
    return RLEstimator(
        entry_point=ENTRY,
        source_dir=request.source,
        image_uri=options.image_uri,
        role=options.role or UNUSED_ROLE,
        sagemaker_session=connection.sdk,
        hyperparameters=hyperparameters(request.digest, request.sweep, request.number, request.overrides),
        metric_definitions=metric_definitions(reported_metrics(request.metrics)),
        output_path=layout.output,
        code_location=layout.output,
        output_kms_key=options.output_kms_key,
        volume_size=options.volume_size_gb,
        volume_kms_key=options.volume_kms_key,
        max_run=options.max_run_s,
        use_spot_instances=options.spot,
        max_wait=options.max_wait_s,
        checkpoint_s3_uri=checkpoint_uri,
        checkpoint_local_path=CHECKPOINTS if checkpoint_uri else None,
        max_retry_attempts=options.max_retry_attempts or None,
        subnets=list(options.subnets) or None,
        security_group_ids=list(options.security_group_ids) or None,
        encrypt_inter_container_traffic=options.encrypt_inter_container_traffic,
        enable_network_isolation=options.enable_network_isolation,
        tags=[{"Key": key, "Value": value} for key, value in tags(request, options).items()],
        environment=environment(request, options),
        keep_alive_period_in_seconds=options.keep_alive_period_s or None,
        # They cost, and the lab does not use what they collect.
        disable_profiler=True,
        debugger_hook_config=False,
        **hosts,
    )


def channels(request: JobRequest) -> dict[str, Any]:
    """Return the inputs of a job."""
    from sagemaker.inputs import TrainingInput

    data = {data_channel(index): uri for index, uri in enumerate(request.data)}
    uris = {TRIAL_CHANNEL: request.trial, **data, CHECKPOINT_CHANNEL: request.start}
    return {name: TrainingInput(uri, input_mode="File") for name, uri in uris.items() if uri is not None}


def hyperparameters(digest: str, sweep: str, number: int, overrides: Sequence[str]) -> dict[str, str]:
    """Return the hyperparameters of a job: its identity, and its overrides for the console to search and sort by.

    Args:
        digest: the digest of the trial and the lab's source.
        sweep: name of the sweep.
        number: the number of the trial.
        overrides: the overrides of the trial.

    Raises:
        ConfigError: there are more overrides than the service takes.
    """
    identity = {DIGEST: digest, SWEEP: sweep, TRIAL: str(number)}
    values = split_overrides(overrides)
    if len(values) > MAX_PARAMETERS - len(identity):
        raise ConfigError(
            f"a trial must have at most {MAX_PARAMETERS - len(identity)} overrides, which become hyperparameters, got "
            f"{len(values)}: put those that all trials share into a YAML of your own (--config-dir)"
        )
    # The SDK puts quotes around each value.
    return identity | {key: value[: MAX_PARAMETER_LENGTH - 2] for key, value in values.items()}


def tags(request: JobRequest, options: JobOptions) -> dict[str, str]:
    """Return the tags of a job: the user's, its identity, and as many of its overrides as fit."""
    identity = {DIGEST: request.digest, SWEEP: tag_value(request.sweep), TRIAL: str(request.number)}
    chosen = {**options.tags, **identity}
    for key, value in split_overrides(request.overrides).items():
        name = tag_value(f"choice.{key}")[:128]
        if len(chosen) < MAX_TAGS:
            chosen.setdefault(name, tag_value(value))
    return chosen


def split_overrides(overrides: Sequence[str]) -> Mapping[str, str]:
    """Return the values of overrides by their keys."""
    return {key.lstrip("+~"): value for key, _, value in (override.partition("=") for override in overrides)}


def tag_value(text: str) -> str:
    """Return a text without the characters that tags may not contain."""
    return "".join(sign if re.fullmatch(TAG_CHARACTERS, sign) else " " for sign in text)[:MAX_TAG_LENGTH].strip()


def environment(request: JobRequest, options: JobOptions) -> dict[str, str]:
    """Return the environment variables of a job."""
    variables = {"RLLIB_TEST_NO_TF_IMPORT": "1", "PYTHONUNBUFFERED": "1", LEARNERS: str(request.learners)}
    if options.evaluate_only:
        variables[EVALUATE] = "1"
    if options.instance_groups:
        variables[LEARNER_GROUP] = options.learner_group or options.instance_groups[0].name
    return {**variables, **{key: str(value) for key, value in options.environment.items()}}
