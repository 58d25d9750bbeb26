"""What launcher=sagemaker does before and around the loop of a sweep."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hydra.core.utils import JobReturn
from hydra_plugins.battery_lab_launchers import _sweep
from hydra_plugins.battery_lab_launchers._sagemaker_rehearsal import emulator_of, rehearse
from omegaconf import OmegaConf
from sagemaker_jobs.aws.connection import Connection, check_extra, region_of
from sagemaker_jobs.aws.job_names import sweep_lead
from sagemaker_jobs.aws.s3_layout import Places
from sagemaker_jobs.collect.job_record import Record
from sagemaker_jobs.options.job_options import JobOptions
from sagemaker_jobs.pool import SageMakerPool
from sagemaker_jobs.submit.payload import Sender


def launch(launcher: Any, job_overrides: Sequence[Sequence[str]]) -> list[JobReturn]:
    """Run the trials of a sweep as jobs; returns one answer for each list of overrides.

    Raises:
        LabError: an option is at fault, the extra is not installed, or the service cannot be reached.
    """
    check_extra()
    folder = Path(str(launcher.config.hydra.sweep.dir)).resolve()
    given = dict(launcher.options)
    rehearsal = given.pop("rehearsal")
    options = job_options(given)
    dry = bool(OmegaConf.select(launcher.config, "sweep.dry_run"))
    place = None if rehearsal is None else emulator_of(Path(str(rehearsal)).resolve(), options.hosts)
    if place is not None and not dry:
        rehearse(place, options.bucket)
    return _sweep.launch(launcher, job_overrides, pool(options, folder, dry, place))


def job_options(values: Mapping[str, Any]) -> JobOptions:
    """Return the checked options of jobs, with the region of the environment or the profile if none is chosen.

    Raises:
        ConfigError: an option breaks a rule.
    """
    return JobOptions(**{**values, "region": region_of(values["region"])})


def pool(options: JobOptions, sweep: Path, dry: bool, rehearsal: Path | None) -> SageMakerPool:
    """Return SageMaker as a place for the trials of a sweep."""
    connection = Connection(region=str(options.region), bucket=options.bucket, local=options.local)
    lead = sweep_lead(sweep.name, options.bucket, options.prefix)
    places = Places(options.bucket, options.prefix, lead, options.checkpoint_s3_uri, options.output_kms_key)
    sender = Sender(options, places, connection, sweep, dry)
    earlier = Record.known(sweep, places.lead)
    record = Record(
        folder=sweep,
        region=connection.region,
        places=places,
        prices=dict(options.prices),
        currency=options.currency,
        experiment=sender.experiment,
        judged=options.evaluated_run,
        rehearsal=rehearsal,
        jobs=earlier,
    )
    return SageMakerPool(options, connection, sender, record)
