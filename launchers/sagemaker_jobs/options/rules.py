"""The service's rules for the options of jobs, kept before anything is uploaded.

Limits are those of CreateTrainingJob in the service's API reference and in botocore's model of it.
"""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import TYPE_CHECKING

from battery_lab.common.errors import ConfigError, require
from battery_lab.common.run_folder import RunFolder

if TYPE_CHECKING:
    from sagemaker_jobs.options.job_options import JobOptions

FIELD = "hydra.launcher"
AUTO, LOCAL = "auto", ("local", "local_gpu")
ROLE = re.compile(r"arn:aws[a-z\-]*:iam::\d{12}:role/?[a-zA-Z_0-9+=,.@\-_/]+")
BUCKET = re.compile(r"[a-z0-9][a-z0-9.\-]{1,61}[a-z0-9]")
S3_URI = re.compile(r"s3://[a-z0-9][a-z0-9.\-]{1,61}[a-z0-9](/[^\s]*)?")
REGION = re.compile(r"[a-z]{2}(-[a-z]+)+-\d")
NAME = re.compile(r"[a-zA-Z0-9](-*[a-zA-Z0-9])*")
TYPE = re.compile(r"ml\.[a-z0-9\-]+\.[a-z0-9]+")
SUBNET, GROUP = re.compile(r"subnet-[0-9a-zA-Z\-]+"), re.compile(r"sg-[0-9a-zA-Z\-]+")
TAG = re.compile(r"[\w\s.:/=+\-@]*")
VARIABLE = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
DAY_S = 86_400
# Of the service, in CreateTrainingJob; tags and variables leave room for the lab's own.
LONGEST_RUN_S, LONGEST_WAIT_S = 28 * DAY_S, 28 * DAY_S
MOST_GROUPS, MOST_TAGS, MOST_VARIABLES = 5, 50 - 12, 100 - 8
LONGEST_VARIABLE = 512
LONGEST_EXPERIMENT = 59  # for SageMaker's SDK, which puts it into names of runs


def check(options: JobOptions) -> None:
    """Raise ConfigError where an option, or what goes with it, breaks a rule."""
    _check_place(options)
    _check_hosts(options)
    _check_local(options)
    _check_times(options)
    _check_network(options)
    _check_pairs(options)
    _check_following(options)


def _field(name: str) -> str:
    return f"{FIELD}.{name}"


def _matches(name: str, value: str | None, pattern: re.Pattern[str], rule: str, missing: str) -> None:
    if not value:
        raise ConfigError(f"{_field(name)} must be set: {missing}")
    require(pattern.fullmatch(value) is not None, _field(name), rule, value)


def _check_place(options: JobOptions) -> None:
    if not options.local or options.role:
        rule = "must be a whole ARN, arn:aws:iam::<12 digits>:role/<name>"
        _matches("role", options.role, ROLE, rule, "the ARN of the role that jobs run as (docs/sagemaker.md)")
    missing = "the image that launchers/container builds and pushes"
    _matches("image_uri", options.image_uri, re.compile(r"\S{1,255}"), "must be at most 255 characters", missing)
    rule = "must be 3 to 63 small letters, digits, dots and hyphens, without s3://"
    _matches("bucket", options.bucket, BUCKET, rule, "the S3 bucket that source, data and results go to")
    missing = "also AWS_REGION, AWS_DEFAULT_REGION or the profile may say it, and none does"
    _matches("region", options.region, REGION, "must be a region, such as eu-west-1", missing)
    good = re.fullmatch(r"[A-Za-z0-9!_.*'()\-]+(/[A-Za-z0-9!_.*'()\-]+)*", options.prefix) and len(options.prefix) < 200
    require(
        bool(good), _field("prefix"), "must be names of keys with / between them, without one at an end", options.prefix
    )
    uri = options.checkpoint_s3_uri
    if uri not in (None, AUTO):
        require(
            S3_URI.fullmatch(str(uri)) is not None,
            _field("checkpoint_s3_uri"),
            "must be auto, null or s3://<bucket>/<prefix>",
            uri,
        )


def _check_hosts(options: JobOptions) -> None:
    groups, kind, count = options.instance_groups, options.instance_type, options.instance_count
    if bool(groups) == (kind is not None):
        raise ConfigError(
            f"either {_field('instance_type')} with instance_count or {_field('instance_groups')} must be set, got "
            f"{kind!r} and {len(groups)} groups: set the other to null"
        )
    if not groups:
        rule = "must be a type such as ml.c5.xlarge, or local"
        require(kind in LOCAL or TYPE.fullmatch(str(kind)) is not None, _field("instance_type"), rule, kind)
        require(count is not None and count >= 1, _field("instance_count"), "must be a whole number from 1", count)
    require(len(groups) <= MOST_GROUPS, _field("instance_groups"), f"must be at most {MOST_GROUPS}", len(groups))
    names = [group.name for group in groups]
    for group in groups:
        good = NAME.fullmatch(group.name.replace("_", "-")) is not None and len(group.name) <= 64
        require(good, _field("instance_groups"), "names must be up to 64 letters, digits, _ and -", group.name)
        require(
            TYPE.fullmatch(group.type) is not None,
            _field("instance_groups"),
            "must be of a type such as ml.c5.xlarge",
            group.type,
        )
        require(
            group.count >= 1, _field("instance_groups"), f"must count instances of {group.name} from 1", group.count
        )
    require(len(set(names)) == len(names), _field("instance_groups"), "must have names of their own", names)
    learner = options.learner_group
    require(learner is None or learner in names, _field("learner_group"), f"must be one of {names}, or null", learner)
    require(
        1 <= options.volume_size_gb <= 16_384, _field("volume_size_gb"), "must be 1 to 16384 GB", options.volume_size_gb
    )


def _check_local(options: JobOptions) -> None:
    """Raise ConfigError where the SDK's local mode does not have what is asked for."""
    if not options.local:
        return
    for name, wanted in {"checkpoint_s3_uri": None, "spot": False, "wait": True, "keep_alive_period_s": 0}.items():
        require(
            getattr(options, name) == wanted,
            _field(name),
            f"must be {str(wanted).lower().replace('none', 'null')} with instance_type={options.instance_type}",
            getattr(options, name),
        )


def _check_times(options: JobOptions) -> None:
    run, wait, spot = options.max_run_s, options.max_wait_s, options.spot
    require(1 <= run <= LONGEST_RUN_S, _field("max_run_s"), f"must be 1 to {LONGEST_RUN_S} s (28 days)", run)
    if spot:
        rule = f"must be at least max_run_s={run} and at most {LONGEST_WAIT_S} s with spot=true"
        require(wait is not None and run <= wait <= LONGEST_WAIT_S, _field("max_wait_s"), rule, wait)
        if options.checkpoint_s3_uri is None:
            raise ConfigError(
                f"{_field('spot')}=true must have checkpoints, as capacity may be taken away at any time, got "
                "checkpoint_s3_uri=null: set checkpoint_s3_uri=auto or s3://<bucket>/<prefix>"
            )
    else:
        require(wait is None, _field("max_wait_s"), "must be null without spot=true", wait)
    keep = options.keep_alive_period_s
    require(0 <= keep <= 21_600, _field("keep_alive_period_s"), "must be 0 (no warm pool) to 21600 s", keep)
    require(not (keep and spot), _field("keep_alive_period_s"), "must be 0 with spot=true", keep)
    groups = bool(options.instance_groups)
    require(not (keep and groups), _field("keep_alive_period_s"), "must be 0 with instance_groups", keep)
    retries = options.max_retry_attempts
    require(0 <= retries <= 30, _field("max_retry_attempts"), "must be 0 to 30 attempts", retries)


def _check_network(options: JobOptions) -> None:
    both = bool(options.subnets) == bool(options.security_group_ids)
    rule = "must be given together with security_group_ids, or neither"
    require(both, _field("subnets"), rule, list(options.subnets))
    for name, values, pattern, most in (
        ("subnets", options.subnets, SUBNET, 16),
        ("security_group_ids", options.security_group_ids, GROUP, 5),
    ):
        require(len(values) <= most, _field(name), f"must be at most {most}", len(values))
        for value in values:
            good = pattern.fullmatch(value) is not None and len(value) <= 32
            require(good, _field(name), f"must be like {name[:2] == 'su' and 'subnet-0abc' or 'sg-0abc'}", value)
    for name in ("volume_kms_key", "output_kms_key"):
        key = getattr(options, name)
        require(
            key is None or re.fullmatch(r"[a-zA-Z0-9:/_-]{1,2048}", key) is not None,
            _field(name),
            "must be a key's id, alias or ARN",
            key,
        )


def _check_pairs(options: JobOptions) -> None:
    require(
        len(options.tags) <= MOST_TAGS,
        _field("tags"),
        f"must be at most {MOST_TAGS}, beside the lab's own",
        len(options.tags),
    )
    for key, value in options.tags.items():
        good = 1 <= len(key) <= 128 and TAG.fullmatch(key) is not None and not key.lower().startswith("aws:")
        require(
            good,
            _field("tags"),
            "keys must be 1 to 128 letters, digits, spaces and _.:/=+-@, and not begin with aws:",
            key,
        )
        good = len(str(value)) <= 256 and TAG.fullmatch(str(value)) is not None
        require(good, _field(f"tags.{key}"), "must be up to 256 letters, digits, spaces and _.:/=+-@", value)
    require(
        len(options.environment) <= MOST_VARIABLES,
        _field("environment"),
        f"must be at most {MOST_VARIABLES} variables",
        len(options.environment),
    )
    for key, value in options.environment.items():
        good = VARIABLE.fullmatch(key) is not None and len(key) <= LONGEST_VARIABLE
        require(good, _field("environment"), "names must be letters, digits and _", key)
        # Not the value itself, which may be secret.
        require(
            len(str(value)) <= LONGEST_VARIABLE,
            _field(f"environment.{key}"),
            f"must be at most {LONGEST_VARIABLE} characters",
            len(str(value)),
        )


def _check_following(options: JobOptions) -> None:
    require(options.max_parallel >= 1, _field("max_parallel"), "must be a whole number from 1", options.max_parallel)
    interval = options.poll_interval_s
    require(math.isfinite(interval) and interval > 0, _field("poll_interval_s"), "must be greater than 0 s", interval)
    require(
        options.on_interrupt in ("stop", "leave"), _field("on_interrupt"), "must be stop or leave", options.on_interrupt
    )
    name = options.experiment
    good = name is None or (
        name == name.lower() and NAME.fullmatch(name) is not None and len(name) <= LONGEST_EXPERIMENT
    )
    require(
        good,
        _field("experiment"),
        f"must be up to {LONGEST_EXPERIMENT} small letters, digits and hyphens between them, or null",
        name,
    )
    if options.evaluate_only and options.checkpoint is None:
        raise ConfigError(
            f"{_field('evaluate_only')}=true must have a run whose policy is judged, got checkpoint=null: set "
            "checkpoint=outputs/runs/<run>, and rerun= to the same for its choices"
        )
    start = options.checkpoint
    if start is not None and not start.startswith("s3://"):
        is_run = RunFolder(Path(start).expanduser()).trial.is_file()
        require(is_run, _field("checkpoint"), "must be a run folder, which holds trial.yaml, or s3://", start)
    for kind, price in options.prices.items():
        require(
            math.isfinite(price) and price >= 0, _field(f"prices.{kind}"), "must be a price of an instance hour", price
        )
