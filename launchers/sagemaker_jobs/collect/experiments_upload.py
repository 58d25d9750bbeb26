"""Experiments upload: finished trials become runs in SageMaker Experiments, with parameters, curves and files."""

from __future__ import annotations

import datetime
import json
import math
import sys
import time
from pathlib import Path

from battery_lab.common.atomic_write import atomic_write
from battery_lab.common.run_folder import RunFolder
from battery_lab.config.build import resolve
from battery_lab.config.environment_class_attributes import metric_names
from battery_lab.config.stored_trial import load_trial
from battery_lab.sweep.trial_folder import read_metrics
from battery_lab.tracking.mlflow_params import flat_params
from battery_lab.tracking.run_log import STEPS, TIME, read_lines
from sagemaker_jobs.aws.connection import Connection, import_sdk
from sagemaker_jobs.aws.s3_layout import S3Layout
from sagemaker_jobs.collect.job_bills import BILLS
from sagemaker_jobs.container.metric_lines import reported_metrics

RECEIPT = "experiments.json"  # in a trial's folder, once its run is logged
FILES = (RunFolder.METRICS, RunFolder.REPORT, RunFolder.TRIAL, BILLS)
OLDEST_POINT_S = 13 * 86_400.0  # CloudWatch silently drops points that are two weeks old
# Limits of a trial component in the service.
MAX_PARAMETERS, MAX_VALUE_LENGTH, MAX_NAME_LENGTH = 300, 2500, 320


def log_run(connection: Connection, layout: S3Layout, experiment: str, run: str, folder: Path) -> None:
    """Log a finished trial as a run, unless it is logged already.

    A failure is reported in one line and not raised: the folder holds all results, and the same command or ``collect``
    tries again.
    """
    if (folder / RECEIPT).is_file():
        return
    try:
        _log(connection, layout, experiment, run, folder)
    except Exception as error:  # the SDK raises errors of many kinds
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        command = f"battery-lab sweep collect {folder.parent}"
        line = f"could not log {run} to SageMaker Experiments ({reason}); to try again: {command}"
        print(line, file=sys.stderr, flush=True)
        return
    atomic_write(folder / RECEIPT, json.dumps({"experiment": experiment, "run": run}))


def run_name(number: int, digest: str) -> str:
    """Return the name of a trial's run, which depends on the lab's source."""
    return f"trial-{number}-{digest[:8]}"


def run_parameters(run: str, folder: Path) -> dict[str, str]:
    """Return the parameters of a trial, cut to the limits of a run; prints a line if some are left out."""
    parameters = flat_params(resolve(load_trial(folder)))
    if len(parameters) > MAX_PARAMETERS:
        limit = f"Experiments hold {MAX_PARAMETERS} of them, {RunFolder.TRIAL} has all"
        print(f"{run} has {len(parameters)} parameters; {limit}", file=sys.stderr, flush=True)
    first = list(parameters.items())[:MAX_PARAMETERS]
    return {name[:MAX_NAME_LENGTH]: value[:MAX_VALUE_LENGTH] or "''" for name, value in first}


def _log(connection: Connection, layout: S3Layout, experiment: str, name: str, folder: Path) -> None:
    import_sdk()
    from sagemaker.experiments import Run

    reported = reported_metrics(metric_names(load_trial(folder)))
    with Run(
        experiment_name=experiment,
        run_name=name,
        sagemaker_session=connection.sdk,
        artifact_bucket=layout.bucket,
        artifact_prefix=f"{layout.prefix}/experiments/{experiment}",
    ) as run:
        run.log_parameters(run_parameters(name, folder))
        oldest, with_curve = time.time() - OLDEST_POINT_S, set[str]()
        for line in read_lines(RunFolder(folder).curves)[0]:
            timestamp = datetime.datetime.fromtimestamp(max(float(line[TIME] or 0), oldest), datetime.UTC)
            for metric in reported:
                if (value := line.get(metric)) is not None:
                    with_curve.add(metric)
                    run.log_metric(metric, value, timestamp=timestamp, step=int(line[STEPS] or 0))
        for metric, value in (read_metrics(folder) or {}).items():
            if metric not in with_curve and value is not None and math.isfinite(value):
                run.log_metric(metric, value, step=0)
        for file in FILES:
            if (folder / file).is_file():
                run.log_file(str(folder / file), name=file, extra_args=layout.encryption or None)
