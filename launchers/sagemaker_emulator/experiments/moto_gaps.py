"""Gaps of moto in Experiments: unique names, tags, lists of trial components, and metrics without steps."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from moto.sagemaker.models import sagemaker_backends

from sagemaker_emulator.experiments import search
from sagemaker_emulator.job_state import ACCOUNT
from sagemaker_emulator.protocol.responses_and_errors import AwsError, invalid
from sagemaker_emulator.protocol.service_model_validation import members

_STATISTICS: dict[str, Callable[[Sequence[float]], float]] = {
    "Min": min,
    "Max": max,
    "Avg": lambda values: sum(values) / len(values),
    "Count": len,
    "Last": lambda values: values[-1],
    "StdDev": lambda values: (sum((v - sum(values) / len(values)) ** 2 for v in values) / len(values)) ** 0.5,
}
_PERIODS = {"OneMinute": 60, "FiveMinute": 300, "OneHour": 3600, "IterationNumber": 1}
# Operation -> what it creates, the parameter with the name, and the attribute where moto stores it.
_CREATED = {
    "CreateExperiment": ("Experiment", "ExperimentName", "experiments"),
    "CreateTrial": ("Trial", "TrialName", "trials"),
    "CreateTrialComponent": ("Trial Component", "TrialComponentName", "trial_components"),
}


def backend(region: str) -> Any:
    """Return moto's SageMaker backend of a region."""
    return sagemaker_backends[ACCOUNT][region]


def check_name_unused(operation: str, parameters: Mapping[str, Any], region: str) -> None:
    """Raise AwsError if the name is in use; moto would replace what has it."""
    kind, parameter, attribute = _CREATED[operation]
    name = parameters[parameter]
    # The SDK looks for "already exists" in the service's message and then uses the existing one.
    if name.lower() in {other.lower() for other in getattr(backend(region), attribute)}:
        raise invalid(
            f"{kind} names must be unique within an AWS account and region. {kind} with name ({name}) already exists."
        )
    if operation == "CreateTrial" and parameters["ExperimentName"] not in backend(region).experiments:
        raise AwsError("ResourceNotFound", f"Experiment ({parameters['ExperimentName']}) does not exist.")


def store_attributes(operation: str, parameters: Mapping[str, Any], region: str) -> None:
    """Store the tags, the display name and the description of what was created, which moto ignores."""
    _, parameter, attribute = _CREATED[operation]
    created = getattr(backend(region), attribute).get(parameters[parameter])
    if created is not None:
        created.tags = parameters.get("Tags") or []
        created.display_name = parameters.get("DisplayName", parameters[parameter])
        created.description = parameters.get("Description")


def list_components(parameters: Mapping[str, Any], region: str) -> dict[str, Any]:
    """Answer ListTrialComponents; moto would list those of all experiments."""
    parent_names = {name: parameters[name] for name in ("ExperimentName", "TrialName") if name in parameters}
    source = parameters.get("SourceArn")
    summaries = []
    for component in list(backend(region).trial_components.values()):
        document = describe(component, region)
        inside = not parent_names or any(parent_names.items() <= parent.items() for parent in document["Parents"])
        if inside and source in (None, document.get("Source", {}).get("SourceArn")):
            document["TrialComponentSource"] = document.get("Source")
            summaries.append({name: document[name] for name in _SUMMARY if document.get(name) is not None})
    by = "TrialComponentName" if parameters.get("SortBy") == "Name" else "CreationTime"
    ordered = search.in_order(summaries, by, descending=parameters.get("SortOrder", "Descending") == "Descending")
    page, token = search.paged(ordered, parameters)
    return {"TrialComponentSummaries": list(page)} | ({"NextToken": token} if token else {})


CREATE_OPERATIONS = frozenset(_CREATED)
_SUMMARY = members("sagemaker", "TrialComponentSummary")


def put_metrics(parameters: Mapping[str, Any], region: str) -> dict[str, Any]:
    """Answer BatchPutMetrics."""
    component = backend(region).trial_components.get(parameters["TrialComponentName"])
    data = parameters["MetricData"]
    if component is None:
        return {"Errors": [{"Code": "VALIDATION_ERROR", "MetricIndex": index} for index in range(len(data))]}
    for point in data:
        add_metric_point(
            component, point["MetricName"], float(point["Value"]), float(point["Timestamp"]), point.get("Step")
        )
    return {}


def get_metrics(parameters: Mapping[str, Any], region: str) -> dict[str, Any]:
    """Answer BatchGetMetrics."""
    components = {component.arn: component for component in backend(region).trial_components.values()}
    return {"MetricQueryResults": [_query_result(components, query) for query in parameters["MetricQueries"]]}


def add_metric_point(component: Any, name: str, value: float, timestamp: float, step: int | None) -> None:
    """Add a point to moto's metrics; one without a step gets the next step."""
    metric = component.metrics.setdefault(name, {"MetricName": name, "Timestamp": timestamp, "Values": {}})
    metric["Timestamp"] = max(timestamp, metric["Timestamp"])
    step = max(metric["Values"], default=-1) + 1 if step is None else step
    point = {"MetricName": name, "Value": value, "Timestamp": timestamp, "Step": step}
    metric["Values"] = metric["Values"] | {step: point}


def _query_result(components: Mapping[str, Any], query: Mapping[str, Any]) -> dict[str, Any]:
    empty: dict[str, Any] = {"XAxisValues": [], "MetricValues": []}
    component = components.get(query["ResourceArn"])
    if component is None:
        return empty | {"Status": "ValidationError", "Message": f"{query['ResourceArn']} does not exist."}
    axis = "Step" if query["XAxisType"] == "IterationNumber" else "Timestamp"
    start, end = query.get("Start", float("-inf")), query.get("End", float("inf"))
    groups: dict[int, list[float]] = {}
    for point in component.metrics.get(query["MetricName"], {"Values": {}})["Values"].values():
        if start <= point[axis] <= end:
            period = _PERIODS[query["Period"]] if axis == "Timestamp" else 1
            groups.setdefault(int(point[axis] // period * period), []).append(point["Value"])
    values = [_STATISTICS[query["MetricStat"]](groups[start]) for start in sorted(groups)]
    return {"Status": "Complete", "XAxisValues": sorted(groups), "MetricValues": values}


def describe(component: Any, region: str) -> dict[str, Any]:
    """Return the description of a trial component for Search, with its trials and experiments."""
    name = component.trial_component_name
    trials = [trial for trial in backend(region).trials.values() if name in trial.trial_components]
    parents = [{"TrialName": trial.trial_name, "ExperimentName": trial.experiment_name} for trial in trials]
    return {**component.response_object, "Parents": parents}
