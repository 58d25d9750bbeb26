"""Options of jobs are checked against the service's rules before anything is sent."""

from __future__ import annotations

import pytest
from sagemaker_jobs.options import field_types

from battery_lab.common.errors import ConfigError
from tests.sagemaker_jobs.option_values import options

GROUPS = [
    {"name": "learner", "type": "ml.g5.xlarge", "count": 1},
    {"name": "rollout", "type": "ml.c5.4xlarge", "count": 2},
]
HETEROGENEOUS = {"instance_type": None, "instance_count": None, "instance_groups": GROUPS}
LOCAL = {"instance_type": "local", "checkpoint_s3_uri": None}
SPOT = {"spot": True, "max_wait_s": 14_400}


def test_defaults_pass():
    assert options().hosts == 1


def test_local_mode_needs_no_role():
    assert options(**LOCAL, role=None).local


def group(**changes):
    return {**HETEROGENEOUS, "instance_groups": [{**GROUPS[0], **changes}]}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"role": None}, "role must be the ARN of the role that jobs run as, got None"),
        ({"role": "jobs"}, "role must be the ARN of the role that jobs run as, arn:aws:iam::<12 digits>:role/<name>"),
        ({"image_uri": None}, "image_uri must be the address of the image that launchers/container builds and pushes"),
        ({"bucket": None}, "bucket must be the S3 bucket for source, data and results"),
        ({"bucket": "s3://a-bucket"}, "bucket must be the S3 bucket for source, data and results, 3 to 63 small"),
        ({"region": "Mars"}, "region must be a region such as eu-west-1, here or in AWS_REGION"),
        ({"prefix": "/lab"}, "prefix must be parts of keys with / between them"),
        ({"prefix": "a" * 200}, "prefix must be parts of keys with / between them"),
        ({"checkpoint_s3_uri": "a-bucket/x"}, "checkpoint_s3_uri must be auto, s3://<bucket>/<prefix> or null, got"),
        ({"instance_type": "c5.xlarge"}, "instance_type must be a type such as ml.c5.xlarge, local, local_gpu or null"),
        ({"instance_count": 0}, "instance_count must be a whole number, 1 or more or null, got 0"),
        ({"instance_count": None}, "instance_count must be a whole number, 1 or more, with instance_type, got None"),
        ({"instance_count": "2"}, "instance_count must be a whole number, 1 or more or null, got '2'"),
        ({"instance_type": "local"}, "checkpoint_s3_uri must be null with instance_type=local, got 'auto'"),
        ({**LOCAL, "wait": False}, "wait must be true with instance_type=local, got False"),
        ({**LOCAL, "bucket": None}, "bucket must be the S3 bucket"),
        ({**HETEROGENEOUS, "keep_alive_period_s": 60}, "keep_alive_period_s must be 0 with instance_groups, got 60"),
        ({"instance_groups": GROUPS}, "either hydra.launcher.instance_type with instance_count or"),
        ({"instance_type": None}, "either hydra.launcher.instance_type with instance_count or"),
        ({**HETEROGENEOUS, "learner_group": "gpu"}, "learner_group must be one of ['learner', 'rollout'] or null"),
        ({**HETEROGENEOUS, "instance_groups": GROUPS[:1] * 2}, "instance_groups must have different names, got"),
        (
            {**HETEROGENEOUS, "instance_groups": ["a"]},
            "instance_groups must be a list of at most 5 groups, each",
        ),
        ({**HETEROGENEOUS, "instance_groups": [{"name": "a", "count": 1}]}, "instance_groups.type is missing"),
        (group(typ="ml.c5.xlarge"), "instance_groups.typ is not an option of InstanceGroup"),
        (group(type="local"), "instance_groups.type must not be local, got 'local'"),
        (group(count="2"), "instance_groups.count must be a whole number, 1 or more, got '2'"),
        (group(count=1.5), "instance_groups.count must be a whole number, 1 or more, got 1.5"),
        (group(name="a b"), "instance_groups.name must be up to 64 letters and digits"),
        (
            {**HETEROGENEOUS, "instance_groups": [{**GROUPS[0], "name": f"g{n}"} for n in range(6)]},
            "instance_groups must be a list of at most 5 groups",
        ),
        ({"volume_size_gb": 0}, "volume_size_gb must be a whole number from 1 to 16384 GB, got 0"),
        ({"max_run_s": 0}, "max_run_s must be a whole number from 1 to 2419200 s (28 days), got 0"),
        ({"max_wait_s": 10}, "max_wait_s must be null without spot=true, got 10"),
        ({"spot": True}, "max_wait_s must be at least max_run_s=14400 with spot=true, got None"),
        ({**SPOT, "max_wait_s": 14_399}, "max_wait_s must be at least max_run_s=14400 with spot=true, got 14399"),
        ({**SPOT, "max_wait_s": 2_419_201}, "max_wait_s must be a whole number from 1 to 2419200 s (28 days) or null"),
        ({**SPOT, "checkpoint_s3_uri": None}, "spot=true needs checkpoints"),
        ({**SPOT, "keep_alive_period_s": 60}, "keep_alive_period_s must be 0 with spot=true, got 60"),
        ({"keep_alive_period_s": 21_601}, "keep_alive_period_s must be a whole number from 0 to 21600 s, got 21601"),
        ({"max_retry_attempts": 31}, "max_retry_attempts must be a whole number from 0 to 30, got 31"),
        ({"subnets": ["subnet-0abc"]}, "subnets must be set together with security_group_ids"),
        ({"subnets": ["net"], "security_group_ids": ["sg-1"]}, "subnets must be a list of at most 16 subnets such as"),
        (
            {"subnets": ["subnet-1"], "security_group_ids": ["1"]},
            "security_group_ids must be a list of at most 5",
        ),
        ({"volume_kms_key": "a key"}, "volume_kms_key must be the id, alias or ARN of a key or null, got 'a key'"),
        ({"tags": "team"}, "tags must be a mapping, got 'team'"),
        ({"tags": {"aws:x": "1"}}, "tags names must not begin with aws:, got 'aws:x'"),
        ({"tags": {"a;b": "1"}}, "tags: a name must be 1 to 128 letters, digits, spaces and _.:/=+-@, got 'a;b'"),
        ({"tags": {"x": "a;b"}}, "tags.x must be up to 256 letters, digits, spaces and _.:/=+-@, got 'a;b'"),
        ({"tags": {str(n): "" for n in range(39)}}, "tags must hold at most 38 tags, as the lab adds others, got 39"),
        ({"environment": {"A-B": "1"}}, "environment names must be letters, digits and _, got 'A-B'"),
        ({"environment": {f"A{n}": "1" for n in range(93)}}, "environment must be at most 92 variables, got 93"),
        ({"max_parallel": 0}, "max_parallel must be a whole number, 1 or more, got 0"),
        ({"poll_interval_s": 0}, "poll_interval_s must be greater than 0 s, got 0"),
        ({"on_interrupt": "hang"}, "on_interrupt must be one of stop, leave, got 'hang'"),
        ({"experiment": "a_b"}, "experiment must be up to 59 small letters and digits, with hyphens between them or"),
        ({"evaluate_only": True}, "evaluate_only=true needs a run whose policy is evaluated, got checkpoint=null"),
        ({"checkpoint": "nowhere"}, "checkpoint must be a run folder, which holds trial.yaml, or s3://, got 'nowhere'"),
        ({"prices": {"ml.c5.xlarge": -1.0}}, "prices.ml.c5.xlarge must be 0 or more, got -1.0"),
        ({"rolle": "a"}, "rolle is not an option of JobOptions"),
    ],
)
def test_an_option_that_breaks_a_rule_is_named_with_the_rule(changes, message):
    with pytest.raises(ConfigError) as caught:
        options(**changes)
    assert f"hydra.launcher.{message.removeprefix('either hydra.launcher.')}" in str(caught.value)


def test_a_long_variable_is_reported_without_its_value():
    with pytest.raises(ConfigError) as caught:
        options(environment={"TOKEN": "s3cret" * 100})
    assert "hydra.launcher.environment.TOKEN must be at most 512 characters, got 600" in str(caught.value)
    assert "s3cret" not in str(caught.value)


def test_numbers_are_taken_as_text_where_text_is_expected():
    chosen = options(experiment=2024, prefix=1, tags={"year": 2024})
    assert (chosen.experiment, chosen.prefix, chosen.tags) == ("2024", "1", {"year": "2024"})


def test_instance_groups_are_counted_and_priced():
    chosen = options(**HETEROGENEOUS, learner_group="learner", prices={"ml.g5.xlarge": 1.0, "ml.c5.4xlarge": 2.0})
    assert chosen.hosts == 3
    assert chosen.max_cost() == pytest.approx(4 * (1.0 + 2 * 2.0))


def test_the_cost_of_an_instance_without_a_price_is_unknown():
    assert options().max_cost() is None


def test_limits_are_those_of_the_services_model():
    botocore = pytest.importorskip("botocore.session", reason="the extra aws is not installed")
    model = botocore.get_session().get_service_model("sagemaker")

    def limits(name):
        return model.shape_for(name).metadata

    assert limits("MaxRuntimeInSeconds").get("min") == 1
    assert limits("TrainingJobName")["max"] == 63
    assert limits("HyperParameterValue")["max"] == 2500
    assert limits("TrainingEnvironmentValue")["max"] == field_types.MAX_VARIABLE_LENGTH
    assert limits("TagList")["max"] == field_types.MAX_TAGS + 12
    assert limits("InstanceGroups")["max"] == field_types.MAX_GROUPS
    assert limits("KeepAlivePeriodInSeconds")["max"] == field_types.MAX_WARM_POOL_S
    assert limits("MaximumRetryAttempts")["max"] == field_types.MAX_RETRIES
    assert limits("MetricDefinitionList")["max"] == 40
    assert limits("Subnets")["max"] == field_types.MAX_SUBNETS
    assert limits("VpcSecurityGroupIds")["max"] == field_types.MAX_SECURITY_GROUPS


def test_variables_in_another_form_are_reported_without_their_values():
    with pytest.raises(ConfigError, match="hydra.launcher.environment must be ") as caught:
        options(environment="TOKEN=s3cret")
    assert "s3cret" not in str(caught.value)
