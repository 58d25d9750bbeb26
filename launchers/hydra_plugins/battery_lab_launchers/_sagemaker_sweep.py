"""What launcher=sagemaker does before and around the loop of a sweep."""

from __future__ import annotations

from collections.abc import Sequence
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
from sagemaker_jobs.options.job_options import InstanceGroup, JobOptions
from sagemaker_jobs.pool import SageMakerPool
from sagemaker_jobs.submit.payload import Sender

from battery_lab.common.errors import ConfigError

GROUP_KEYS = {"name", "type", "count"}
WORDS = {str: "text", int: "a whole number"}
MAPPINGS = ("tags", "environment", "prices")


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


def job_options(given: dict[str, Any]) -> JobOptions:
    """Return the options of jobs, checked.

    Raises:
        ConfigError: one is at fault.
    """
    groups = given["instance_groups"] or []
    for group in groups:
        if not isinstance(group, dict) or set(group) != GROUP_KEYS:
            raise ConfigError(f"hydra.launcher.instance_groups must be of {{name, type, count}}, got {group!r}")
        kinds = {"name": str, "type": str, "count": int}
        for key, kind in kinds.items():
            if type(group[key]) is not kind:
                raise ConfigError(
                    f"hydra.launcher.instance_groups must have a {key} that is {WORDS[kind]}, got {group[key]!r}"
                )
    for name in MAPPINGS:
        if not isinstance(given[name] or {}, dict):
            raise ConfigError(f"hydra.launcher.{name} must be names with values, {{name: value}}, got {given[name]!r}")
    own = {name: given[name] or {} for name in MAPPINGS}
    given = given | own | {"instance_groups": tuple(InstanceGroup(**group) for group in groups)}
    return JobOptions(**given | {"region": region_of(given["region"])})


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
        judged=options.judged,
        rehearsal=rehearsal,
        jobs=earlier,
    )
    return SageMakerPool(options, connection, sender, record)
