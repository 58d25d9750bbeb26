"""A trial as a training job: what SageMaker's SDK is asked for, and so what reaches the service."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from battery_lab.common.errors import ConfigError
from sagemaker_jobs.aws.connection import Connection, sdk
from sagemaker_jobs.aws.s3_layout import Places
from sagemaker_jobs.container.channels import CHECKPOINT_CHANNEL, TRIAL_CHANNEL, data_channel
from sagemaker_jobs.container.metric_lines import definitions, reported_metrics
from sagemaker_jobs.container.ray_cluster import LEARNER_GROUP, LEARNERS
from sagemaker_jobs.container.run_trial import EVALUATE
from sagemaker_jobs.options.field_types import TAG_CHARACTERS
from sagemaker_jobs.options.job_options import JobOptions
from sagemaker_jobs.submit.uploads import ENTRY

# Of ours; the SDK adds its own, and quotes.
MOST_PARAMETERS, LONGEST_PARAMETER, LONGEST_TAG = 93, 2500, 256
# Who a job is, by which its launcher knows it again.
WHO, SWEEP, TRIAL = "battery_lab.who", "battery_lab.sweep", "battery_lab.trial"
MLFLOW = "MLFLOW_TRACKING_URI"
CHECKPOINTS = "/opt/ml/checkpoints"
NO_ROLE = "arn:aws:iam::000000000000:role/local"  # the SDK wants one in its local mode too, and does nothing with it


@dataclass(frozen=True, kw_only=True)
class Request:
    """A job that is to be.

    Attributes:
        name: of the job.
        number: of the trial.
        who: digits of what it does.
        sweep: name of the sweep.
        choices: overrides of the trial, as on the command line.
        learners: RLlib learners in processes of their own.
        source: URI of the lab's source.
        trial: URI of the trial's folder.
        data: URIs of its data, in the order in which the environment declares their keys.
        metrics: names of the environment's metrics.
        start: URI of a run to go on from; None without.
    """

    name: str
    number: int
    who: str
    sweep: str
    choices: Sequence[str]
    learners: int
    source: str
    trial: str
    data: Sequence[str]
    metrics: Sequence[str]
    start: str | None


def send(request: Request, options: JobOptions, places: Places, connection: Connection, experiment: str | None) -> None:
    """Have the SDK create the job; what the service answers is raised as it comes.

    Args:
        request: the job.
        options: of all jobs.
        places: of the sweep.
        connection: to AWS.
        experiment: of SageMaker Experiments, with a trial of the same name in it; None: none.
    """
    told = None
    if experiment is not None:
        told = {"ExperimentName": experiment, "TrialName": experiment, "TrialComponentDisplayName": request.name}
    job = estimator(request, options, places, connection)
    with _not_followed_by_mlflow():
        job.fit(inputs=channels(request), wait=False, logs=None, job_name=request.name, experiment_config=told)


@contextmanager
def _not_followed_by_mlflow() -> Iterator[None]:
    """Keep the SDK from waiting for the job where MLflow has an address and the job no network."""
    before = os.environ.pop(MLFLOW, None)
    try:
        yield
    finally:
        if before is not None:
            os.environ[MLFLOW] = before


def estimator(request: Request, options: JobOptions, places: Places, connection: Connection) -> Any:
    """Return the SDK's estimator of a job."""
    sdk()
    from sagemaker.instance_group import InstanceGroup
    from sagemaker.rl import RLEstimator

    groups = [InstanceGroup(group.name, group.type, group.count) for group in options.instance_groups]
    hosts: dict[str, Any] = (
        {"instance_groups": groups}
        if groups
        else {"instance_type": options.instance_type, "instance_count": options.instance_count}
    )
    kept = places.checkpoint(request.number, request.who)
    return RLEstimator(
        entry_point=ENTRY,
        source_dir=request.source,
        image_uri=options.image_uri,
        role=options.role or NO_ROLE,
        sagemaker_session=connection.sdk,
        hyperparameters=parameters(request.who, request.sweep, request.number, request.choices),
        metric_definitions=definitions(reported_metrics(request.metrics)),
        output_path=places.output,
        code_location=places.output,
        output_kms_key=options.output_kms_key,
        volume_size=options.volume_size_gb,
        volume_kms_key=options.volume_kms_key,
        max_run=options.max_run_s,
        use_spot_instances=options.spot,
        max_wait=options.max_wait_s,
        checkpoint_s3_uri=kept,
        checkpoint_local_path=CHECKPOINTS if kept else None,
        max_retry_attempts=options.max_retry_attempts or None,
        subnets=list(options.subnets) or None,
        security_group_ids=list(options.security_group_ids) or None,
        encrypt_inter_container_traffic=options.encrypt_inter_container_traffic,
        enable_network_isolation=options.enable_network_isolation,
        tags=[{"Key": key, "Value": value} for key, value in tags(request, options).items()],
        environment=environment(request, options),
        keep_alive_period_in_seconds=options.keep_alive_period_s or None,
        # What they collect is no part of what the lab compares, and costs.
        disable_profiler=True,
        debugger_hook_config=False,
        **hosts,
    )


def channels(request: Request) -> dict[str, Any]:
    """Return the inputs of a job."""
    from sagemaker.inputs import TrainingInput

    data = {data_channel(place): uri for place, uri in enumerate(request.data)}
    there = {TRIAL_CHANNEL: request.trial, **data, CHECKPOINT_CHANNEL: request.start}
    return {name: TrainingInput(uri, input_mode="File") for name, uri in there.items() if uri is not None}


def parameters(who: str, sweep: str, number: int, choices: Sequence[str]) -> dict[str, str]:
    """Return the hyperparameters of a job: who it is, and its overrides, for the console to search and sort by.

    Args:
        who: digits of what it does.
        sweep: name of the sweep.
        number: of the trial.
        choices: overrides of the trial.

    Raises:
        ConfigError: there are more than the service takes.
    """
    own = {WHO: who, SWEEP: sweep, TRIAL: str(number)}
    found = own | {key: value[: LONGEST_PARAMETER - 2] for key, value in split_choices(choices).items()}
    if len(found) > MOST_PARAMETERS:
        raise ConfigError(
            f"a trial must vary in at most {MOST_PARAMETERS - len(own)} overrides, which travel as hyperparameters, "
            f"got {len(found) - len(own)}: put what all trials share into an option of your own (--config-dir)"
        )
    return found


def tags(request: Request, options: JobOptions) -> dict[str, str]:
    """Return the tags of a job: the user's, who it is, and as many of its overrides as fit."""
    found = {**options.tags, WHO: request.who, SWEEP: tag_value(request.sweep), TRIAL: str(request.number)}
    for key, value in split_choices(request.choices).items():
        name = tag_value(f"choice.{key}")[:128]
        if len(found) < 50:
            found.setdefault(name, tag_value(value))
    return found


def split_choices(choices: Sequence[str]) -> Mapping[str, str]:
    """Return overrides by their keys."""
    return {key.lstrip("+~"): value for key, _, value in (choice.partition("=") for choice in choices)}


def tag_value(text: str) -> str:
    """Return a text with what tags may not hold left out."""
    return "".join(sign if re.fullmatch(TAG_CHARACTERS, sign) else " " for sign in text)[:LONGEST_TAG].strip()


def environment(request: Request, options: JobOptions) -> dict[str, str]:
    """Return the variables of a job."""
    own = {"RLLIB_TEST_NO_TF_IMPORT": "1", "PYTHONUNBUFFERED": "1", LEARNERS: str(request.learners)}
    if options.evaluate_only:
        own[EVALUATE] = "1"
    if options.instance_groups:
        own[LEARNER_GROUP] = options.learner_group or options.instance_groups[0].name
    return {**own, **{key: str(value) for key, value in options.environment.items()}}
