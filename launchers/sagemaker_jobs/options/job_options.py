"""The options of jobs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from sagemaker_jobs.options.rules import LOCAL, check


@dataclass(frozen=True, kw_only=True)
class InstanceGroup:
    """Equal instances of a job that has several kinds.

    Attributes:
        name: of the group; ``learner_group`` names the one where the trial itself runs.
        type: of its instances, such as ``ml.g5.xlarge``.
        count: of its instances.
    """

    name: str
    type: str
    count: int


@dataclass(frozen=True, kw_only=True)
class JobOptions:
    """What every job of a sweep is asked for with; the fields of ``conf/launcher/sagemaker.yaml``.

    Attributes:
        role: ARN of the role that jobs run as; local ones need none.
        image_uri: of the image, in ECR.
        region: of the service; None: that of AWS_REGION, AWS_DEFAULT_REGION or the profile.
        bucket: where source, trials, data and results lie.
        prefix: of all keys in it.
        instance_type: of all hosts; None with ``instance_groups``. ``local`` and ``local_gpu`` run jobs by the SDK's
            local mode, in containers of this machine's Docker engine, one at a time.
        instance_count: hosts of a job; None with ``instance_groups``.
        instance_groups: kinds of hosts; empty with ``instance_type``.
        learner_group: name of the group whose first host runs the trial; None: the first group.
        volume_size_gb: disk of each host.
        max_run_s: seconds after which the service stops a job.
        spot: whether on spare capacity, which may be taken away.
        max_wait_s: seconds that a job may take, the wait for spare capacity counted in; only with ``spot``.
        checkpoint_s3_uri: where checkpoints of all trials go; ``auto``: below ``prefix``; None: nowhere.
        max_retry_attempts: how often the service itself begins a job again after a fault of its own.
        subnets: of a VPC.
        security_group_ids: of a VPC.
        volume_kms_key: for the disks.
        output_kms_key: for uploads and what jobs leave at their end; the service takes none for checkpoints.
        encrypt_inter_container_traffic: between hosts.
        enable_network_isolation: no network for jobs; rules out data that a job reads by itself.
        tags: on each job.
        environment: variables in each job.
        keep_alive_period_s: seconds for which hosts stay for a next job of the same kind; 0: none.
        max_parallel: jobs at a time, below the account's quota.
        poll_interval_s: seconds between two looks at all jobs.
        experiment: of SageMaker Experiments; None: the sweep's name.
        on_interrupt: what Ctrl-C does to jobs: ``stop`` or ``leave``.
        wait: whether to follow the jobs, or to leave once they are sent.
        checkpoint: run folder or S3 folder that trials go on from, or whose policy they judge; None: none.
        evaluate_only: whether jobs judge the policy of ``checkpoint`` and train none.
        prices: of an instance hour by type, in ``currency``.
        currency: of prices.
    """

    role: str
    image_uri: str
    region: str | None
    bucket: str
    prefix: str
    instance_type: str | None
    instance_count: int | None
    instance_groups: Sequence[InstanceGroup]
    learner_group: str | None
    volume_size_gb: int
    max_run_s: int
    spot: bool
    max_wait_s: int | None
    checkpoint_s3_uri: str | None
    max_retry_attempts: int
    subnets: Sequence[str]
    security_group_ids: Sequence[str]
    volume_kms_key: str | None
    output_kms_key: str | None
    encrypt_inter_container_traffic: bool
    enable_network_isolation: bool
    tags: Mapping[str, str]
    environment: Mapping[str, str]
    keep_alive_period_s: int
    max_parallel: int
    poll_interval_s: float
    experiment: str | None
    on_interrupt: str
    wait: bool
    checkpoint: str | None
    evaluate_only: bool
    prices: Mapping[str, float]
    currency: str

    def __post_init__(self) -> None:
        check(self)

    @property
    def local(self) -> bool:
        """Whether jobs run by the SDK's local mode."""
        return self.instance_type in LOCAL

    @property
    def hosts(self) -> int:
        """How many hosts a job has."""
        return sum(group.count for group in self.groups)

    @property
    def groups(self) -> Sequence[InstanceGroup]:
        """The kinds of hosts, one where there is no choice of groups."""
        if self.instance_groups:
            return self.instance_groups
        return [InstanceGroup(name="all", type=str(self.instance_type), count=int(self.instance_count or 1))]

    @property
    def judged(self) -> Path | None:
        """The run folder here whose policy the jobs judge; None where they train, or it is in S3."""
        if not self.evaluate_only or str(self.checkpoint).startswith("s3://"):
            return None
        return Path(str(self.checkpoint)).expanduser().resolve()

    def most_cost(self) -> float | None:
        """Return the most that a job can cost, in ``currency``; None if the price of a type is not known."""
        # Hosts that stay for a next job are paid for meanwhile.
        hours = (self.max_run_s + self.keep_alive_period_s) / 3600
        costs = [self.prices.get(group.type) for group in self.groups]
        if any(price is None for price in costs):
            return None
        return sum(group.count * hours * float(price or 0) for group, price in zip(self.groups, costs, strict=True))
