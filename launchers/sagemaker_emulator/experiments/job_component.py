"""Trial component of a job: what the service records about it in an experiment."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime

from sagemaker_emulator.experiments.moto_gaps import add_metric_point, backend
from sagemaker_emulator.job_state import Job, now
from sagemaker_emulator.protocol.responses_and_errors import AwsError


class JobComponent:
    """The trial component that the service creates for a job."""

    def __init__(self, job: Job) -> None:
        """Create the component in the job's trial.

        Args:
            job: with an ExperimentConfig.

        Raises:
            AwsError: the experiment or the trial does not exist.
        """
        config = job.request["ExperimentConfig"]
        moto = backend(job.region)
        for attribute, name in (("experiments", config.get("ExperimentName")), ("trials", config.get("TrialName"))):
            if name is not None and name not in getattr(moto, attribute):
                raise AwsError("ResourceNotFound", f"{attribute[:-1].capitalize()} ({name}) does not exist.")
        self._job, self._name = job, f"{job.name}-aws-training-job"
        moto.create_trial_component(
            trial_component_name=self._name,
            display_name=config.get("TrialComponentDisplayName", "Training"),
            start_time=now(),
            end_time=None,
            status={"PrimaryStatus": "InProgress", "Message": ""},
            parameters=_parameters(job),
            input_artifacts=_inputs(job),
            output_artifacts={},
            metadata_properties=None,
            trial_name=config.get("TrialName"),
        )
        self._component = moto.trial_components[self._name]
        self._component.source = {"SourceArn": job.arn, "SourceType": "SageMakerTrainingJob"}
        if trial := config.get("TrialName"):
            moto.associate_trial_component(trial_name=trial, trial_component_name=self._name)

    def end(self, status: str, failure: str | None, points: Sequence[tuple[str, float, datetime]]) -> None:
        """Store the end of the job and its metrics."""
        for name, value, time in points:
            add_metric_point(self._component, name, value, time.timestamp(), None)
        self._component.end_time = self._component.last_modified_time = now()
        self._component.status = {"PrimaryStatus": status, "Message": failure or ""}
        if self._job.artifacts:
            self._component.output_artifacts["SageMaker.ModelArtifact"] = {"Value": self._job.artifacts}


def _parameters(job: Job) -> dict[str, dict[str, str | float]]:
    parameters = {name: _parameter(text) for name, text in (job.request.get("HyperParameters") or {}).items()}
    parameters["SageMaker.InstanceCount"] = {"NumberValue": float(len(job.hosts))}
    parameters["SageMaker.InstanceType"] = {"StringValue": job.groups[0].instance_type}
    volume_gb = float(job.request["ResourceConfig"].get("VolumeSizeInGB", 0))
    parameters["SageMaker.VolumeSizeInGB"] = {"NumberValue": volume_gb}
    return parameters


def _parameter(text: str) -> dict[str, str | float]:
    """Return a hyperparameter as a number if it is one; the SDK writes values as JSON."""
    try:
        value = json.loads(text)
    except ValueError:
        value = text
    if isinstance(value, int | float) and not isinstance(value, bool):
        return {"NumberValue": float(value)}
    return {"StringValue": value if isinstance(value, str) else text}


def _inputs(job: Job) -> dict[str, dict[str, str]]:
    inputs = {"SageMaker.ImageUri": {"Value": job.request["AlgorithmSpecification"]["TrainingImage"]}}
    for channel in job.request.get("InputDataConfig") or []:
        inputs[channel["ChannelName"]] = {"Value": channel["DataSource"]["S3DataSource"]["S3Uri"]}
    return inputs
