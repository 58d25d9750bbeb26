"""The trial of a job, run in its container: on data from channels, in a folder that outlives the host."""

from __future__ import annotations

import os
import shutil
import signal
import sys
import traceback
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from battery_lab.common.errors import LabError
from battery_lab.common.run_folder import SWEEP_COMMAND, RunFolder
from sagemaker_jobs.container.channel_runs import EVALUATED, copy_continued_run, copy_evaluated_run
from sagemaker_jobs.container.channels import CODE, TRIAL_CHANNEL, data_path
from sagemaker_jobs.container.job_environment import JobEnvironment, base_folder
from sagemaker_jobs.container.package_check import check_packages
from sagemaker_jobs.container.ray_cluster import ray_cluster

SWEEP_FILES = (SWEEP_COMMAND, RunFolder.SYNC_STATE)
NUMBER = "number"
MAX_REASON_LENGTH = 1024  # of the service
# File with the environment steps of the checkpoint from which an earlier attempt failed by an error of the trial.
FAILED_FROM = "failed_from"
# Parts of the run folder that the launcher does not download with the results.
NOT_DELIVERED = (RunFolder.CHECKPOINTS, RunFolder.LOCK, EVALUATED, FAILED_FROM)


def main() -> int:
    """Run the job; returns the exit status."""
    from battery_lab.common.stop_signals import stop_at_once

    try:
        with stop_at_once():
            run(JobEnvironment.read(os.environ))
    except KeyboardInterrupt as stop:
        print(stop, flush=True)
        return 128 + signal.SIGTERM
    except BaseException as error:
        return report_failure(error)
    return 0


def run(job: JobEnvironment) -> None:
    """Run the trial on the leading host; other hosts serve it until it is done."""
    if job.hosts.current != job.hosts.leader:
        # It ends with the leading host, which has a checkpoint to save first.
        signal.signal(signal.SIGTERM, lambda *_: None)
    _import_custom_code(job.trial / CODE)
    with ray_cluster(job.hosts, job.trial) as leads:
        if leads:
            _run_trial(job)


def _import_custom_code(archive: Path) -> None:
    """Make modules from outside the lab importable, here and in Ray's processes."""
    if archive.is_file():
        sys.path.insert(0, str(archive))
        os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, (str(archive), os.environ.get("PYTHONPATH"))))


def _run_trial(job: JobEnvironment) -> None:
    from omegaconf import OmegaConf
    from rich.console import Console

    from battery_lab.cli.build_experiment import build_experiment
    from battery_lab.config.compose import register_resolvers
    from battery_lab.config.environment_class_attributes import data_keys, metric_names
    from battery_lab.config.stored_trial import load_trial, store_trial
    from sagemaker_jobs.container.metric_lines import metric_line, reported_metrics

    check_packages(job.trial)
    register_resolvers()
    config = load_trial(job.trial, name=f"channel {TRIAL_CHANNEL}")
    folder = prepare_run_folder(job)
    for key, channel in zip(data_keys(config), job.data, strict=bool(job.data)):
        OmegaConf.update(config, key, data_path(str(OmegaConf.select(config, key)), channel))
    config.outputs = str(job.sweep.parent / "outputs")
    reported = reported_metrics(metric_names(config))
    experiment, console = build_experiment(config), Console(width=120, no_color=True)
    store_trial(config, folder)
    if job.evaluate and job.start is not None:
        metrics = _evaluate(experiment, job.start, folder, console)
    else:
        metrics = _train(experiment, job.start, folder, console, reported)
    print(metric_line(metrics, reported, int(metrics.get("train/env_steps") or 0)), flush=True)
    deliver(folder, job)
    export_served_policy(experiment, folder, job.model)


def _evaluate(experiment: Any, start: Path, folder: Path, console: Any) -> Mapping[str, Any]:
    from battery_lab.experiment.reevaluate import reevaluate

    run = copy_evaluated_run(start, folder)
    metrics: Mapping[str, Any] = reevaluate(experiment, run, folder, console)
    shutil.copy(RunFolder(run).test_looks, RunFolder(folder).test_looks)
    return metrics


def _train(
    experiment: Any, start: Path | None, folder: Path, console: Any, reported: Sequence[str]
) -> Mapping[str, Any]:
    from battery_lab.sweep.trial_folder import checkpoint_steps, reset_folder
    from sagemaker_jobs.container.metric_lines import MetricLines

    if (steps := checkpoint_steps(folder)) is None or steps == failed_from(folder):
        # An earlier host was lost before its first checkpoint, or the trial failed from this very checkpoint.
        reset_folder(folder)
        (folder / FAILED_FROM).unlink(missing_ok=True)
        if start is not None:
            copy_continued_run(start, folder)
    printing = replace(experiment, tracking=MetricLines(inner=experiment.tracking, names=reported))
    with noting_failure(folder):
        metrics: Mapping[str, Any] = printing.run(folder, resume=checkpoint_steps(folder) is not None, console=console)
    return metrics


def export_served_policy(experiment: Any, folder: Path, model: Path) -> None:
    """Export the policy in the form that the image serves; a failure is printed and does not end the job."""
    from battery_lab.config.quiet_imports import quiet_imports

    try:
        with quiet_imports():
            from battery_lab.policies.onnx_export import export_policy

            export_policy(RunFolder(folder).policy, experiment.network, experiment.env, experiment.name, model)
    except Exception as error:
        print(f"the policy cannot be served as it is: {type(error).__name__}: {error}", flush=True)


def failed_from(folder: Path) -> int | None:
    """Return the environment steps of the checkpoint from which an earlier attempt failed; None if none did."""
    try:
        return int((folder / FAILED_FROM).read_text())
    except (OSError, ValueError):
        return None


@contextmanager
def noting_failure(folder: Path) -> Iterator[None]:
    """Note from which checkpoint the trial started if it raises an error, since it would do so again."""
    from battery_lab.experiment.trainer import Interrupted
    from battery_lab.sweep.trial_folder import checkpoint_steps

    steps = checkpoint_steps(folder)
    try:
        yield
    except (Interrupted, LabError):
        # These say nothing against the checkpoint.
        raise
    except Exception:
        if steps is not None:
            (folder / FAILED_FROM).write_text(str(steps))
        raise


def prepare_run_folder(job: JobEnvironment) -> Path:
    """Make the run folder, in a folder like the sweep's, so that the run finds its parent in a store of trials."""
    number = (job.trial / NUMBER).read_text().strip()
    folder = job.sweep / number
    folder.mkdir(parents=True, exist_ok=True)
    for name in SWEEP_FILES:
        if (job.trial / name).is_file():
            shutil.copy(job.trial / name, job.sweep / name)
    return folder


def deliver(folder: Path, job: JobEnvironment) -> None:
    """Copy the results to where the service takes them from: the policy as the model, the rest as output."""
    shutil.copytree(RunFolder(folder).policy, RunFolder(job.model).policy, dirs_exist_ok=True)
    for name in (RunFolder.TRIAL, RunFolder.METRICS):
        shutil.copy(folder / name, job.model / name)
    shutil.copytree(folder, job.output, dirs_exist_ok=True, ignore=shutil.ignore_patterns(*NOT_DELIVERED))


def report_failure(error: BaseException) -> int:
    """Print an error, and write it to the file from which the service takes a job's failure reason.

    Returns:
        The exit status.
    """
    from battery_lab.cli.error_messages import exit_message
    from battery_lab.experiment.trainer import Interrupted

    if isinstance(error, Interrupted):
        print(error, flush=True)
        return 128 + error.number
    message = exit_message(error)
    if message is None:
        traceback.print_exception(error)
    text, status = message or (f"{type(error).__name__}: {error}", 1)
    reason = " ".join(text.removeprefix("error: ").split())
    print(reason, flush=True)
    failure = base_folder(os.environ) / "output" / "failure"
    failure.parent.mkdir(parents=True, exist_ok=True)
    failure.write_text(reason[:MAX_REASON_LENGTH])
    return status or 1


if __name__ == "__main__":
    sys.exit(main())
