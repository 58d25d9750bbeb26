"""Inside a job: the trial from its channel, on data from theirs, in a folder that outlives the host."""

from __future__ import annotations

import os
import shutil
import signal
import sys
import traceback
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import count, takewhile
from pathlib import Path
from typing import Any

from battery_lab.common.errors import DataError, LabError
from battery_lab.common.run_folder import RunFolder
from sagemaker_jobs.container.channels import (
    CHECKPOINT_CHANNEL,
    CODE,
    JUDGED,
    TRIAL_CHANNEL,
    begin_with,
    check_packages,
    data_channel,
    data_path,
    writable,
)
from sagemaker_jobs.container.ray_cluster import Hosts, cluster

SWEEP_FILES = ("sweep.json", RunFolder.SYNC_STATE)
NUMBER, EVALUATE = "number", "BATTERY_LAB_EVALUATE"
LONGEST_REASON = 1024
# Environment steps of the checkpoint from which a job went on and failed by the trial's own fault.
RAISED = "raised"
# What a job leaves for its launcher: all of the run folder that is not there to go on from.
STAYS = (RunFolder.CHECKPOINTS, RunFolder.LOCK, JUDGED, RAISED)


@dataclass(frozen=True, kw_only=True)
class Job:
    """Where the service puts things, by the variables that the toolkit sets.

    Attributes:
        trial: the trial's channel.
        data: the channels of its data, in the order in which the environment declares their keys.
        start: the channel of a run to go on from, or whose policy is judged; None without.
        evaluate: whether that is all.
        sweep: the folder that takes the place of the sweep's, and is kept in S3 while the job runs.
        model: folder of the policy that is kept.
        output: folder of what else is kept.
        hosts: of the job.
    """

    trial: Path
    data: Sequence[Path]
    start: Path | None
    evaluate: bool
    sweep: Path
    model: Path
    output: Path
    hosts: Hosts

    @classmethod
    def here(cls, environment: Mapping[str, str]) -> Job:
        """Read the environment.

        Raises:
            DataError: it is none of a job of the lab.
        """
        trial, start = (environment.get(f"SM_CHANNEL_{name.upper()}") for name in (TRIAL_CHANNEL, CHECKPOINT_CHANNEL))
        data = takewhile(bool, (environment.get(f"SM_CHANNEL_{data_channel(place).upper()}") for place in count()))
        if not trial:
            raise DataError(
                f"the job has no channel {TRIAL_CHANNEL}, which holds the trial: send it by launcher=sagemaker"
            )
        return cls(
            trial=Path(trial),
            data=[Path(str(channel)) for channel in data],
            start=Path(start) if start else None,
            evaluate=environment.get(EVALUATE) == "1",
            sweep=base(environment) / "checkpoints",
            model=Path(environment["SM_MODEL_DIR"]),
            output=Path(environment["SM_OUTPUT_DATA_DIR"]),
            hosts=Hosts.here(environment),
        )


def main() -> int:
    """Run the job; returns the exit status."""
    from battery_lab.common.signals import stop_at_once

    try:
        with stop_at_once():
            run(Job.here(os.environ))
    except KeyboardInterrupt as stop:
        print(stop, flush=True)
        return 128 + signal.SIGTERM
    except BaseException as error:
        return _failed(error)
    return 0


def run(job: Job) -> None:
    """Train, judge and report, on all hosts; a host that is not the learner's serves it until it is done."""
    if job.hosts.me != job.hosts.learner:
        # It goes when the learner does, which has a checkpoint to save first.
        signal.signal(signal.SIGTERM, lambda *_: None)
    _import_custom_code(job.trial / CODE)
    with cluster(job.hosts, job.trial) as leads:
        if leads:
            _trial(job)


def _import_custom_code(archive: Path) -> None:
    """Make modules from outside the lab importable, here and in Ray's processes."""
    if archive.is_file():
        sys.path.insert(0, str(archive))
        os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, (str(archive), os.environ.get("PYTHONPATH"))))


def _trial(job: Job) -> None:
    from omegaconf import OmegaConf
    from rich.console import Console

    from battery_lab.config.compose import build, register_resolvers
    from battery_lab.config.environment import data_keys, metric_names
    from battery_lab.config.stored_trial import load_trial, store_trial
    from battery_lab.sweep.trial_folder import checkpoint_steps, reset_folder
    from sagemaker_jobs.container.metric_lines import MetricLines, line, reported_metrics

    check_packages(job.trial)
    register_resolvers()
    config = load_trial(job.trial, name=f"channel {TRIAL_CHANNEL}")
    folder = run_folder(job)
    for key, channel in zip(data_keys(config), job.data, strict=bool(job.data)):
        OmegaConf.update(config, key, data_path(str(OmegaConf.select(config, key)), channel))
    config.outputs = str(job.sweep.parent / "outputs")
    reported = reported_metrics(metric_names(config))
    experiment, console = build(config), Console(width=120, no_color=True)
    store_trial(config, folder)
    if job.evaluate and job.start is not None:
        from battery_lab.experiment.reevaluate import reevaluate

        judged = writable(job.start, folder)
        metrics = reevaluate(experiment, judged, folder, console)
        shutil.copy(RunFolder(judged).test_looks, RunFolder(folder).test_looks)
    else:
        if (steps := checkpoint_steps(folder)) is None or steps == raised_from(folder):
            # What a host left that was lost before its first checkpoint, or from where a try failed by itself.
            reset_folder(folder)
            (folder / RAISED).unlink(missing_ok=True)
            if job.start is not None:
                begin_with(job.start, folder)
        lines = MetricLines(inner=experiment.tracking, names=reported)
        printing = replace(experiment, tracking=lines)
        with noting_failure(folder):
            metrics = printing.run(folder, resume=checkpoint_steps(folder) is not None, console=console)
    print(line(metrics, reported, int(metrics.get("train/env_steps") or 0)), flush=True)
    deliver(folder, job)
    _export(experiment, folder, job.model)


def _export(experiment: Any, folder: Path, model: Path) -> None:
    """Put beside the policy what the image serves it by."""
    from battery_lab.config.validation import quiet

    try:
        with quiet():
            from battery_lab.policies.onnx_export import export_policy

            export_policy(RunFolder(folder).policy, experiment.network, experiment.env, experiment.name, model)
    except Exception as error:
        # What was trained is not to be lost for it.
        print(f"the policy cannot be served as it is: {type(error).__name__}: {error}", flush=True)


def raised_from(folder: Path) -> int | None:
    """Return the environment steps of the checkpoint from which an earlier job failed by itself; None: none did."""
    try:
        return int((folder / RAISED).read_text())
    except (OSError, ValueError):
        return None


@contextmanager
def noting_failure(folder: Path) -> Iterator[None]:
    """Note from which checkpoint the trial went on, if it raises: from there, it would again."""
    from battery_lab.experiment.trainer import Interrupted
    from battery_lab.sweep.trial_folder import checkpoint_steps

    steps = checkpoint_steps(folder)
    try:
        yield
    except (Interrupted, LabError):
        # A mistake, which its message tells in full, says nothing against the checkpoint.
        raise
    except Exception:
        if steps is not None:
            (folder / RAISED).write_text(str(steps))
        raise


def run_folder(job: Job) -> Path:
    """Return the run folder, in what looks like the sweep's, so that the run finds its parent in a store of trials."""
    number = (job.trial / NUMBER).read_text().strip()
    folder = job.sweep / number
    folder.mkdir(parents=True, exist_ok=True)
    for name in SWEEP_FILES:
        if (job.trial / name).is_file():
            shutil.copy(job.trial / name, job.sweep / name)
    return folder


def deliver(folder: Path, job: Job) -> None:
    """Put what came out where the service fetches it: the policy as the model, the rest as output."""
    shutil.copytree(RunFolder(folder).policy, RunFolder(job.model).policy, dirs_exist_ok=True)
    for name in (RunFolder.TRIAL, RunFolder.METRICS):
        shutil.copy(folder / name, job.model / name)
    shutil.copytree(folder, job.output, dirs_exist_ok=True, ignore=shutil.ignore_patterns(*STAYS))


def _failed(error: BaseException) -> int:
    from battery_lab.cli.error_messages import told
    from battery_lab.experiment.trainer import Interrupted

    if isinstance(error, Interrupted):
        print(error, flush=True)
        return 128 + error.number
    ending: Any = told(error)
    if ending is None:
        traceback.print_exception(error)
        ending = f"{type(error).__name__}: {error}", 1
    reason = " ".join(str(ending[0]).removeprefix("error: ").split())
    print(reason, flush=True)
    # The toolkit leaves a reason that is there, from which the service takes the job's.
    failure = base(os.environ) / "output" / "failure"
    failure.parent.mkdir(parents=True, exist_ok=True)
    failure.write_text(reason[:LONGEST_REASON])
    return int(ending[1]) or 1


def base(environment: Mapping[str, str]) -> Path:
    """Return the folder that the service shares with the container."""
    return Path(environment.get("SAGEMAKER_BASE_DIR", "/opt/ml"))


if __name__ == "__main__":
    sys.exit(main())
