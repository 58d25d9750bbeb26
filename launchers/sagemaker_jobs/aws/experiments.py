"""SageMaker Experiments: an experiment a sweep, a run a trial, with its parameters, curves and files."""

from __future__ import annotations

import datetime
import json
import math
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from battery_lab.common.run_folder import RunFolder
from battery_lab.config.compose import resolve
from battery_lab.config.environment import metric_names
from battery_lab.config.stored_trial import load_trial
from battery_lab.sweep.trial_folder import read_metrics
from battery_lab.tracking.mlflow_params import flat_params
from battery_lab.tracking.run_log import STEPS, TIME, read_lines
from sagemaker_jobs.aws.connection import Connection, code_of, sdk
from sagemaker_jobs.aws.s3_layout import Places
from sagemaker_jobs.container.metric_lines import reported_metrics

RECEIPT = "experiments.json"
FILES = (RunFolder.METRICS, RunFolder.REPORT, RunFolder.TRIAL, "job.json")
CAPTURE = "validation/capture"
EXISTS = ("already exists", "must be unique")
OLDEST_S = 13 * 86_400.0  # CloudWatch takes no points of more than two weeks ago, and SageMaker does not say
# Of a trial component, in the service.
MOST_PARAMETERS, LONGEST_VALUE, LONGEST_NAME = 300, 2500, 320


def make_experiment(connection: Connection, name: str) -> None:
    """Make an experiment, and a trial of the same name in it for what the service itself says of jobs."""
    client = connection.sagemaker
    makes: tuple[tuple[Callable[..., Any], Mapping[str, str]], ...] = (
        (client.create_experiment, {"ExperimentName": name}),
        (client.create_trial, {"TrialName": name, "ExperimentName": name}),
    )
    for make, names in makes:
        try:
            make(**names)
        except Exception as error:
            if code_of(error) != "ResourceInUse" and not any(words in str(error) for words in EXISTS):
                raise


def log_run(connection: Connection, places: Places, experiment: str, run: str, folder: Path) -> None:
    """Log a trial that came to its end as a run, once.

    A failure is told in one line and no more: the folder is the truth, and the same command or ``collect`` tries again.
    """
    if (folder / RECEIPT).is_file():
        return
    try:
        _log(connection, places, experiment, run, folder)
    except Exception as error:  # Whatever the SDK can raise, the trial is done.
        why = " ".join(str(error).split())[:200] or type(error).__name__
        again = f"battery-lab sweep collect {folder.parent}"
        line = f"SageMaker Experiments do not hold {run} for now ({why}); {again} sends it"
        print(line, file=sys.stderr, flush=True)
        return
    (folder / RECEIPT).write_text(json.dumps({"experiment": experiment, "run": run}))


def run_name(number: int, who: str) -> str:
    """Return what the run of a trial is called; what another source of the lab made of it is another run."""
    return f"trial-{number}-{who[:8]}"


def ranked(connection: Connection, experiment: str, metric: str = CAPTURE) -> Any:
    """Return the runs of an experiment as a data frame, the best first, in one call of the service.

    Args:
        connection: to AWS.
        experiment: its name.
        metric: to sort by.
    """
    sdk()
    from sagemaker.analytics import ExperimentAnalytics

    return ExperimentAnalytics(
        experiment_name=experiment,
        search_expression={"Filters": [{"Name": "TrialComponentName", "Operator": "Contains", "Value": "trial-"}]},
        sort_by=f"metrics.{metric}.max",
        sort_order="Descending",
        sagemaker_session=connection.sdk,
    ).dataframe()


def parameters(run: str, folder: Path) -> dict[str, str]:
    """Return those parameters of a trial that a run of this name can hold; says so where there are more."""
    found = flat_params(resolve(load_trial(folder)))
    if len(found) > MOST_PARAMETERS:
        said = (
            f"of the {len(found)} parameters of {run} Experiments hold {MOST_PARAMETERS}, and {RunFolder.TRIAL} has all"
        )
        print(said, file=sys.stderr, flush=True)
    first = list(found.items())[:MOST_PARAMETERS]
    return {name[:LONGEST_NAME]: value[:LONGEST_VALUE] or "''" for name, value in first}


def _log(connection: Connection, places: Places, experiment: str, name: str, folder: Path) -> None:
    sdk()
    from sagemaker.experiments import Run

    reported = reported_metrics(metric_names(load_trial(folder)))

    with Run(
        experiment_name=experiment,
        run_name=name,
        sagemaker_session=connection.sdk,
        artifact_bucket=places.bucket,
        artifact_prefix=f"{places.prefix}/experiments/{experiment}",
    ) as run:
        run.log_parameters(parameters(name, folder))
        oldest, told = time.time() - OLDEST_S, set[str]()
        for line in read_lines(RunFolder(folder).curves)[0]:
            at = datetime.datetime.fromtimestamp(max(float(line[TIME] or 0), oldest), datetime.UTC)
            for metric in reported:
                if (value := line.get(metric)) is not None:
                    told.add(metric)
                    run.log_metric(metric, value, timestamp=at, step=int(line[STEPS] or 0))
        # Figures that are points of curves already are there.
        for metric, value in (read_metrics(folder) or {}).items():
            if metric not in told and value is not None and math.isfinite(value):
                run.log_metric(metric, value, step=0)
        for file in FILES:
            if (folder / file).is_file():
                run.log_file(str(folder / file), name=file, extra_args=places.extra or None)
