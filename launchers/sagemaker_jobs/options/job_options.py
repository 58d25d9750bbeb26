"""The options of training jobs, checked against the service's rules; defaults are in conf/launcher/sagemaker.yaml."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from battery_lab.common.errors import ConfigError, require
from battery_lab.common.run_folder import RunFolder
from battery_lab.common.validated_options import Highest, Int, Rule, Secret, Unit, options
from sagemaker_jobs.options.field_types import (
    LOCAL,
    MAX_GROUPS,
    MAX_RETRIES,
    MAX_RUN_S,
    MAX_SECURITY_GROUPS,
    MAX_SUBNETS,
    MAX_TAGS,
    MAX_VARIABLE_LENGTH,
    MAX_VARIABLES,
    MAX_WARM_POOL_S,
    Bucket,
    CheckpointUri,
    Experiment,
    GroupName,
    Image,
    InstanceType,
    KmsKey,
    Prefix,
    Region,
    Role,
    SecurityGroup,
    Subnet,
    TagName,
    TagValue,
)

PATH = "hydra.launcher"


def _null_as_empty(value: object) -> object:
    return {} if value is None else value


def _as_groups(value: object) -> object:
    if not isinstance(value, Sequence) or isinstance(value, str):
        return value
    return [InstanceGroup(**group) if isinstance(group, Mapping) else group for group in value]


@options(f"{PATH}.instance_groups")
class InstanceGroup:
    """Equal instances of a job that has several kinds.

    Attributes:
        name: the name of the group; ``learner_group`` names the group that runs the trial itself.
        type: the type of its instances, such as ``ml.g5.xlarge``.
        count: the number of its instances.
    """

    name: GroupName
    type: InstanceType
    count: Annotated[Int, Field(ge=1), Highest(1000)]


@options(PATH)
class JobOptions:
    """The options of all jobs of a sweep; ``conf/launcher/sagemaker.yaml`` says what each is for."""

    role: Role | None
    image_uri: Image
    region: Region
    bucket: Bucket
    prefix: Prefix
    instance_type: InstanceType | None
    instance_count: Annotated[Int, Field(ge=1), Highest(1000)] | None
    instance_groups: Annotated[
        Sequence[InstanceGroup],
        Field(max_length=MAX_GROUPS),
        BeforeValidator(_as_groups),
        Rule(f"a list of at most {MAX_GROUPS} groups, each {{name, type, count}}"),
    ]
    learner_group: str | None
    volume_size_gb: Annotated[Int, Field(ge=1, le=16_384), Unit("GB")]
    max_run_s: Annotated[Int, Field(ge=1, le=MAX_RUN_S), Unit("s (28 days)")]
    spot: bool
    max_wait_s: Annotated[Int, Field(ge=1, le=MAX_RUN_S), Unit("s (28 days)")] | None
    checkpoint_s3_uri: CheckpointUri | None
    max_retry_attempts: Annotated[Int, Field(ge=0, le=MAX_RETRIES)]
    subnets: Annotated[
        Sequence[Subnet],
        Field(max_length=MAX_SUBNETS),
        Rule(f"a list of at most {MAX_SUBNETS} subnets such as subnet-0abc"),
    ]
    security_group_ids: Annotated[
        Sequence[SecurityGroup],
        Field(max_length=MAX_SECURITY_GROUPS),
        Rule(f"a list of at most {MAX_SECURITY_GROUPS} groups such as sg-0abc"),
    ]
    volume_kms_key: KmsKey | None
    output_kms_key: KmsKey | None
    encrypt_inter_container_traffic: bool
    enable_network_isolation: bool
    tags: Annotated[Mapping[TagName, TagValue], BeforeValidator(_null_as_empty)]
    # _check_pairs holds the rules of its names and values.
    environment: Annotated[Mapping[str, Any], BeforeValidator(_null_as_empty), Secret()]
    keep_alive_period_s: Annotated[Int, Field(ge=0, le=MAX_WARM_POOL_S), Unit("s")]
    max_parallel: Annotated[Int, Field(ge=1), Highest(10_000)]
    poll_interval_s: Annotated[float, Field(gt=0), Highest(86_400), Unit("s")]
    experiment: Experiment | None
    on_interrupt: Literal["stop", "leave"]
    wait: bool
    checkpoint: str | None
    evaluate_only: bool
    prices: Annotated[Mapping[str, Annotated[float, Field(ge=0)]], BeforeValidator(_null_as_empty)]
    currency: str

    def __post_init__(self) -> None:
        self._check_hosts()
        self._check_local_mode()
        self._check_times()
        self._check_pairs()
        self._check_checkpoint()

    @property
    def local(self) -> bool:
        """Whether jobs run in the SDK's local mode."""
        return self.instance_type in LOCAL

    @property
    def hosts(self) -> int:
        """The number of hosts of a job."""
        return sum(group.count for group in self.groups)

    @property
    def groups(self) -> Sequence[InstanceGroup]:
        """The kinds of hosts; a single one where ``instance_groups`` is empty."""
        if self.instance_groups:
            return self.instance_groups
        return [InstanceGroup(name="all", type=str(self.instance_type), count=int(self.instance_count or 1))]

    @property
    def evaluated_run(self) -> Path | None:
        """The local run folder whose policy the jobs evaluate; None if they train or the run is in S3."""
        if not self.evaluate_only or str(self.checkpoint).startswith("s3://"):
            return None
        return Path(str(self.checkpoint)).expanduser().resolve()

    def max_cost(self) -> float | None:
        """Return the most that a job can cost, in ``currency``; None if the price of an instance type is unknown."""
        # Hosts in a warm pool are paid for while they wait for the next job.
        hours = (self.max_run_s + self.keep_alive_period_s) / 3600
        prices = [self.prices.get(group.type) for group in self.groups]
        if any(price is None for price in prices):
            return None
        return sum(group.count * hours * float(price or 0) for group, price in zip(self.groups, prices, strict=True))

    def _check_hosts(self) -> None:
        groups, instance_type, count = self.instance_groups, self.instance_type, self.instance_count
        if bool(groups) == (instance_type is not None):
            raise ConfigError(
                f"either {PATH}.instance_type with instance_count or {PATH}.instance_groups must be set, got "
                f"{instance_type!r} and {len(groups)} groups: set the other to null"
            )
        require(
            bool(groups) or count is not None,
            f"{PATH}.instance_count",
            "must be a whole number, 1 or more, with instance_type",
            count,
        )
        for group in groups:
            require(group.type not in LOCAL, f"{PATH}.instance_groups.type", "must not be local", group.type)
        names = [group.name for group in groups]
        require(len(set(names)) == len(names), f"{PATH}.instance_groups", "must have different names", names)
        learner = self.learner_group
        require(
            learner is None or learner in names, f"{PATH}.learner_group", f"must be one of {names} or null", learner
        )

    def _check_local_mode(self) -> None:
        if not self.local:
            require(self.role is not None, f"{PATH}.role", "must be the ARN of the role that jobs run as", self.role)
            return
        # What the SDK's local mode does not have.
        supported: Sequence[tuple[str, object, str]] = (
            ("checkpoint_s3_uri", None, "null"),
            ("spot", False, "false"),
            ("wait", True, "true"),
            ("keep_alive_period_s", 0, "0"),
        )
        for name, value, text in supported:
            rule = f"must be {text} with instance_type={self.instance_type}"
            require(getattr(self, name) == value, f"{PATH}.{name}", rule, getattr(self, name))

    def _check_times(self) -> None:
        run, wait, keep = self.max_run_s, self.max_wait_s, self.keep_alive_period_s
        if not self.spot:
            require(wait is None, f"{PATH}.max_wait_s", "must be null without spot=true", wait)
            groups = bool(self.instance_groups)
            require(not (keep and groups), f"{PATH}.keep_alive_period_s", "must be 0 with instance_groups", keep)
            return
        rule = f"must be at least max_run_s={run} with spot=true"
        require(wait is not None and run <= wait, f"{PATH}.max_wait_s", rule, wait)
        require(not keep, f"{PATH}.keep_alive_period_s", "must be 0 with spot=true", keep)
        if self.checkpoint_s3_uri is None:
            raise ConfigError(
                f"{PATH}.spot=true needs checkpoints, as capacity may be taken away at any time, got "
                "checkpoint_s3_uri=null: set checkpoint_s3_uri=auto or s3://<bucket>/<prefix>"
            )

    def _check_pairs(self) -> None:
        both = bool(self.subnets) == bool(self.security_group_ids)
        rule = "must be set together with security_group_ids, or neither"
        require(both, f"{PATH}.subnets", rule, list(self.subnets))
        rule = f"must hold at most {MAX_TAGS} tags, as the lab adds others"
        require(len(self.tags) <= MAX_TAGS, f"{PATH}.tags", rule, len(self.tags))
        for name in self.tags:
            require(not name.lower().startswith("aws:"), f"{PATH}.tags", "names must not begin with aws:", name)
        rule = f"must be at most {MAX_VARIABLES} variables"
        require(len(self.environment) <= MAX_VARIABLES, f"{PATH}.environment", rule, len(self.environment))
        for name, value in self.environment.items():
            is_name = re.fullmatch(r"[a-zA-Z_][a-zA-Z0-9_]*", name) and len(name) <= MAX_VARIABLE_LENGTH
            require(bool(is_name), f"{PATH}.environment", "names must be letters, digits and _", name)
            # Not the value itself, which may be secret.
            rule = f"must be at most {MAX_VARIABLE_LENGTH} characters"
            length = len(str(value))
            require(length <= MAX_VARIABLE_LENGTH, f"{PATH}.environment.{name}", rule, length)

    def _check_checkpoint(self) -> None:
        start = self.checkpoint
        if self.evaluate_only and start is None:
            raise ConfigError(
                f"{PATH}.evaluate_only=true needs a run whose policy is evaluated, got checkpoint=null: set "
                "checkpoint=outputs/runs/<run>, and rerun= to the same run for its options"
            )
        if start is not None and not start.startswith("s3://"):
            is_run = RunFolder(Path(start).expanduser()).trial.is_file()
            require(is_run, f"{PATH}.checkpoint", "must be a run folder, which holds trial.yaml, or s3://", start)
