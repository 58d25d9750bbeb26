"""Launch of a sweep with ``launcher=sagemaker``: its options and the pool of its jobs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hydra.core.utils import JobReturn
from hydra_plugins.battery_lab_launchers import _sweep_launch
from hydra_plugins.battery_lab_launchers._rehearsal_emulator import emulator_folder, rehearse
from omegaconf import OmegaConf
from sagemaker_jobs.aws.connection import Connection, check_extra, region_of
from sagemaker_jobs.aws.job_names import sweep_name_prefix
from sagemaker_jobs.aws.s3_layout import S3Layout
from sagemaker_jobs.collect.sweep_record import SweepRecord
from sagemaker_jobs.options.job_options import JobOptions
from sagemaker_jobs.submit.trial_sender import Sender
from sagemaker_jobs.training_job_pool import SageMakerPool


def launch(launcher: Any, job_overrides: Sequence[Sequence[str]]) -> list[JobReturn]:
    """Run the trials of a sweep as jobs; returns one result per list of overrides.

    Raises:
        LabError: an option breaks a rule, the extra is not installed, or the service cannot be reached.
    """
    check_extra()
    folder = Path(str(launcher.config.hydra.sweep.dir)).resolve()
    values = dict(launcher.options)
    rehearsal = values.pop("rehearsal")
    options = job_options(values)
    dry_run = bool(OmegaConf.select(launcher.config, "sweep.dry_run"))
    emulator = None if rehearsal is None else emulator_folder(Path(str(rehearsal)).resolve(), options.hosts)
    if emulator is not None and not dry_run:
        rehearse(emulator, options.bucket)
    return _sweep_launch.launch(launcher, job_overrides, pool(options, folder, dry_run, emulator))


def job_options(values: Mapping[str, Any]) -> JobOptions:
    """Return the checked options of jobs, with the region of the environment or the profile if none is chosen.

    Raises:
        ConfigError: an option breaks a rule.
    """
    return JobOptions(**{**values, "region": region_of(values["region"])})


def pool(options: JobOptions, sweep: Path, dry_run: bool, rehearsal: Path | None) -> SageMakerPool:
    """Return the pool for the jobs of a sweep.

    Args:
        options: the options of all jobs.
        sweep: folder of the sweep.
        dry_run: whether nothing is sent or written.
        rehearsal: folder of the emulator that replaces AWS; None for AWS.
    """
    connection = Connection(region=options.region, bucket=options.bucket, local=options.local)
    name_prefix = sweep_name_prefix(sweep.name, options.bucket, options.prefix)
    layout = S3Layout(options.bucket, options.prefix, name_prefix, options.checkpoint_s3_uri, options.output_kms_key)
    sender = Sender(options, layout, connection, sweep, dry_run)
    record = SweepRecord(
        folder=sweep,
        region=connection.region,
        layout=layout,
        prices=dict(options.prices),
        currency=options.currency,
        experiment=sender.experiment,
        evaluated_run=options.evaluated_run,
        rehearsal=rehearsal,
        jobs=SweepRecord.known_jobs(sweep, name_prefix),
    )
    return SageMakerPool(options, connection, sender, record)
