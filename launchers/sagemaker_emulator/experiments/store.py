"""What moto lacks of Experiments: names that are taken, metrics without steps, and a component for each job."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from moto.sagemaker.models import sagemaker_backends

from sagemaker_emulator.experiments import search
from sagemaker_emulator.job import ACCOUNT, Job, now
from sagemaker_emulator.protocol.request_validation import members
from sagemaker_emulator.protocol.responses import AwsError, invalid

_STATISTICS: dict[str, Callable[[Sequence[float]], float]] = {
    "Min": min,
    "Max": max,
    "Avg": lambda values: sum(values) / len(values),
    "Count": len,
    "Last": lambda values: values[-1],
    "StdDev": lambda values: (sum((v - sum(values) / len(values)) ** 2 for v in values) / len(values)) ** 0.5,
}
_PERIODS = {"OneMinute": 60, "FiveMinute": 300, "OneHour": 3600, "IterationNumber": 1}
# Of each operation: what it makes, the parameter with its name, and where moto keeps them.
_MADE = {
    "CreateExperiment": ("Experiment", "ExperimentName", "experiments"),
    "CreateTrial": ("Trial", "TrialName", "trials"),
    "CreateTrialComponent": ("Trial Component", "TrialComponentName", "trial_components"),
}


def backend(region: str) -> Any:
    """Return moto's SageMaker of a region."""
    return sagemaker_backends[ACCOUNT][region]


def check_name_is_free(operation: str, parameters: Mapping[str, Any], region: str) -> None:
    """Refuse to make what there is already, which moto would replace; raises AwsError."""
    what, parameter, kept = _MADE[operation]
    name = parameters[parameter]
    # As the service does: the SDK tells by "already exists" that it may go on with the one there is.
    if name.lower() in {other.lower() for other in getattr(backend(region), kept)}:
        raise invalid(
            f"{what} names must be unique within an AWS account and region. {what} with name ({name}) already exists."
        )
    if operation == "CreateTrial" and parameters["ExperimentName"] not in backend(region).experiments:
        raise AwsError("ResourceNotFound", f"Experiment ({parameters['ExperimentName']}) does not exist.")


def keep_what_moto_drops(operation: str, parameters: Mapping[str, Any], region: str) -> None:
    """Give what was just made its tags, display name and description."""
    _, parameter, kept = _MADE[operation]
    made = getattr(backend(region), kept).get(parameters[parameter])
    if made is not None:
        made.tags = parameters.get("Tags") or []
        made.display_name = parameters.get("DisplayName", parameters[parameter])
        made.description = parameters.get("Description")


def list_components(parameters: Mapping[str, Any], region: str) -> dict[str, Any]:
    """Answer ListTrialComponents; moto would list those of all experiments."""
    wanted = {name: parameters[name] for name in ("ExperimentName", "TrialName") if name in parameters}
    source = parameters.get("SourceArn")
    found = []
    for component in list(backend(region).trial_components.values()):
        document = told(component, region)
        inside = not wanted or any(wanted.items() <= parent.items() for parent in document["Parents"])
        if inside and source in (None, document.get("Source", {}).get("SourceArn")):
            document["TrialComponentSource"] = document.get("Source")
            found.append({name: document[name] for name in _SUMMARY if document.get(name) is not None})
    by = "TrialComponentName" if parameters.get("SortBy") == "Name" else "CreationTime"
    ordered = search.in_order(found, by, descending=parameters.get("SortOrder", "Descending") == "Descending")
    page, token = search.paged(ordered, parameters)
    return {"TrialComponentSummaries": list(page)} | ({"NextToken": token} if token else {})


MAKING = frozenset(_MADE)
_SUMMARY = members("sagemaker", "TrialComponentSummary")


def put_metrics(parameters: Mapping[str, Any], region: str) -> dict[str, Any]:
    """Answer BatchPutMetrics."""
    component = backend(region).trial_components.get(parameters["TrialComponentName"])
    data = parameters["MetricData"]
    if component is None:
        return {"Errors": [{"Code": "VALIDATION_ERROR", "MetricIndex": index} for index in range(len(data))]}
    for point in data:
        _add(component, point["MetricName"], float(point["Value"]), float(point["Timestamp"]), point.get("Step"))
    return {}


def get_metrics(parameters: Mapping[str, Any], region: str) -> dict[str, Any]:
    """Answer BatchGetMetrics."""
    components = {component.arn: component for component in backend(region).trial_components.values()}
    return {"MetricQueryResults": [_answer(components, query) for query in parameters["MetricQueries"]]}


def _add(component: Any, name: str, value: float, timestamp: float, step: int | None) -> None:
    """Add a point where moto keeps them; one without a step comes after the others."""
    metric = component.metrics.setdefault(name, {"MetricName": name, "Timestamp": timestamp, "Values": {}})
    metric["Timestamp"] = max(timestamp, metric["Timestamp"])
    step = max(metric["Values"], default=-1) + 1 if step is None else step
    point = {"MetricName": name, "Value": value, "Timestamp": timestamp, "Step": step}
    metric["Values"] = metric["Values"] | {step: point}


def _answer(components: Mapping[str, Any], query: Mapping[str, Any]) -> dict[str, Any]:
    nothing: dict[str, Any] = {"XAxisValues": [], "MetricValues": []}
    component = components.get(query["ResourceArn"])
    if component is None:
        return nothing | {"Status": "ValidationError", "Message": f"{query['ResourceArn']} does not exist."}
    axis = "Step" if query["XAxisType"] == "IterationNumber" else "Timestamp"
    start, end = query.get("Start", float("-inf")), query.get("End", float("inf"))
    found: dict[int, list[float]] = {}
    for point in component.metrics.get(query["MetricName"], {"Values": {}})["Values"].values():
        if start <= point[axis] <= end:
            period = _PERIODS[query["Period"]] if axis == "Timestamp" else 1
            found.setdefault(int(point[axis] // period * period), []).append(point["Value"])
    values = [_STATISTICS[query["MetricStat"]](found[place]) for place in sorted(found)]
    return {"Status": "Complete", "XAxisValues": sorted(found), "MetricValues": values}


class Component:
    """The trial component that the service makes of a job itself."""

    def __init__(self, job: Job) -> None:
        """Make it and put it into the job's trial.

        Args:
            job: with an ExperimentConfig.

        Raises:
            AwsError: there is no such experiment or trial.
        """
        config = job.request["ExperimentConfig"]
        there = backend(job.region)
        for kept, name in (("experiments", config.get("ExperimentName")), ("trials", config.get("TrialName"))):
            if name is not None and name not in getattr(there, kept):
                raise AwsError("ResourceNotFound", f"{kept[:-1].capitalize()} ({name}) does not exist.")
        self._job, self._name = job, f"{job.name}-aws-training-job"
        there.create_trial_component(
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
        self._made = there.trial_components[self._name]
        self._made.source = {"SourceArn": job.arn, "SourceType": "SageMakerTrainingJob"}
        if trial := config.get("TrialName"):
            there.associate_trial_component(trial_name=trial, trial_component_name=self._name)

    def end(self, status: str, failure: str | None, points: Sequence[tuple[str, float, datetime]]) -> None:
        """Write how the job ended, and its metrics."""
        for name, value, moment in points:
            _add(self._made, name, value, moment.timestamp(), None)
        self._made.end_time = self._made.last_modified_time = now()
        self._made.status = {"PrimaryStatus": status, "Message": failure or ""}
        if self._job.artifacts:
            self._made.output_artifacts["SageMaker.ModelArtifact"] = {"Value": self._job.artifacts}


def _parameters(job: Job) -> dict[str, dict[str, str | float]]:
    found = {name: _parameter(text) for name, text in (job.request.get("HyperParameters") or {}).items()}
    found["SageMaker.InstanceCount"] = {"NumberValue": float(len(job.hosts))}
    found["SageMaker.InstanceType"] = {"StringValue": job.groups[0].instance_type}
    found["SageMaker.VolumeSizeInGB"] = {"NumberValue": float(job.request["ResourceConfig"].get("VolumeSizeInGB", 0))}
    return found


def _parameter(text: str) -> dict[str, str | float]:
    """Return a hyperparameter as a number where it is one, also one in quotes of JSON as the SDK writes them."""
    try:
        value = json.loads(text)
    except ValueError:
        value = text
    if isinstance(value, int | float) and not isinstance(value, bool):
        return {"NumberValue": float(value)}
    return {"StringValue": value if isinstance(value, str) else text}


def _inputs(job: Job) -> dict[str, dict[str, str]]:
    found = {"SageMaker.ImageUri": {"Value": job.request["AlgorithmSpecification"]["TrainingImage"]}}
    for channel in job.request.get("InputDataConfig") or []:
        found[channel["ChannelName"]] = {"Value": channel["DataSource"]["S3DataSource"]["S3Uri"]}
    return found


def told(component: Any, region: str) -> dict[str, Any]:
    """Return a trial component as Search tells of it, with the trials and experiments that it is in."""
    name = component.trial_component_name
    trials = [trial for trial in backend(region).trials.values() if name in trial.trial_components]
    parents = [{"TrialName": trial.trial_name, "ExperimentName": trial.experiment_name} for trial in trials]
    return {**component.response_object, "Parents": parents}
