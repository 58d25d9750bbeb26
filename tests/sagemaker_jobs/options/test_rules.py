"""Options of jobs are held to the service's rules before anything is sent."""

from __future__ import annotations

import pytest
from sagemaker_jobs.options import rules

from battery_lab.common.errors import ConfigError
from tests.sagemaker_jobs.given import options

GROUPS = [
    {"name": "learner", "type": "ml.g5.xlarge", "count": 1},
    {"name": "rollout", "type": "ml.c5.4xlarge", "count": 2},
]
HETERO = {"instance_type": None, "instance_count": None, "instance_groups": GROUPS}

LOCAL = {"instance_type": "local", "checkpoint_s3_uri": None}


def shape(name):
    botocore = pytest.importorskip("botocore.session", reason="the extra aws is not installed")
    model = botocore.get_session().get_service_model("sagemaker")
    return model.shape_for(name).metadata


def test_defaults_pass():
    assert options().hosts == 1


def test_local_mode_needs_no_role():
    assert options(**LOCAL, role=None).local


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"role": None}, "hydra.launcher.role must be set"),
        ({"role": "jobs"}, "hydra.launcher.role must be a whole ARN"),
        ({"image_uri": None}, "hydra.launcher.image_uri must be set"),
        ({"bucket": None}, "hydra.launcher.bucket must be set"),
        ({"bucket": "s3://a-bucket"}, "hydra.launcher.bucket must be 3 to 63 small letters"),
        ({"region": "Mars"}, "hydra.launcher.region must be a region"),
        ({"prefix": "/lab"}, "hydra.launcher.prefix must be names of keys"),
        ({"checkpoint_s3_uri": "a-bucket/x"}, "hydra.launcher.checkpoint_s3_uri must be auto, null or s3://"),
        ({"instance_type": "c5.xlarge"}, "hydra.launcher.instance_type must be a type such as ml.c5.xlarge"),
        ({"instance_count": 0}, "hydra.launcher.instance_count must be a whole number from 1, got 0"),
        (
            {"instance_type": "local"},
            "hydra.launcher.checkpoint_s3_uri must be null with instance_type=local, got 'auto'",
        ),
        ({**LOCAL, "wait": False}, "hydra.launcher.wait must be true with instance_type=local, got False"),
        ({**LOCAL, "bucket": None}, "hydra.launcher.bucket must be set"),
        ({**HETERO, "keep_alive_period_s": 60}, "hydra.launcher.keep_alive_period_s must be 0 with instance_groups"),
        ({"instance_groups": GROUPS}, "either hydra.launcher.instance_type with instance_count or"),
        ({"instance_type": None}, "either hydra.launcher.instance_type with instance_count or"),
        ({**HETERO, "learner_group": "gpu"}, "hydra.launcher.learner_group must be one of"),
        ({**HETERO, "instance_groups": GROUPS[:1] * 2}, "must have names of their own"),
        ({**HETERO, "instance_groups": [{"name": "a"}]}, "must be of {name, type, count}"),
        (
            {**HETERO, "instance_groups": [{**GROUPS[0], "count": "2"}]},
            "must have a count that is a whole number, got '2'",
        ),
        (
            {**HETERO, "instance_groups": [{**GROUPS[0], "count": 1.5}]},
            "must have a count that is a whole number, got 1.5",
        ),
        ({**HETERO, "instance_groups": [{**GROUPS[0], "name": "a b"}]}, "names must be up to 64"),
        ({**HETERO, "instance_groups": [{**GROUPS[0], "name": f"g{n}"} for n in range(6)]}, "must be at most 5, got 6"),
        ({"volume_size_gb": 0}, "hydra.launcher.volume_size_gb must be 1 to 16384 GB, got 0"),
        ({"max_run_s": 0}, "hydra.launcher.max_run_s must be 1 to 2419200 s"),
        ({"max_wait_s": 10}, "hydra.launcher.max_wait_s must be null without spot=true, got 10"),
        ({"spot": True}, "hydra.launcher.max_wait_s must be at least max_run_s=14400"),
        ({"spot": True, "max_wait_s": 14_399}, "hydra.launcher.max_wait_s must be at least max_run_s=14400"),
        ({"spot": True, "max_wait_s": 14_400, "checkpoint_s3_uri": None}, "spot=true must have checkpoints"),
        (
            {"spot": True, "max_wait_s": 14_400, "keep_alive_period_s": 60},
            "keep_alive_period_s must be 0 with spot=true",
        ),
        ({"keep_alive_period_s": 21_601}, "hydra.launcher.keep_alive_period_s must be 0 (no warm pool) to 21600 s"),
        ({"max_retry_attempts": 31}, "hydra.launcher.max_retry_attempts must be 0 to 30"),
        ({"subnets": ["subnet-0abc"]}, "hydra.launcher.subnets must be given together with security_group_ids"),
        ({"subnets": ["net"], "security_group_ids": ["sg-1"]}, "hydra.launcher.subnets must be like subnet-0abc"),
        ({"subnets": ["subnet-1"], "security_group_ids": ["1"]}, "security_group_ids must be like sg-0abc"),
        ({"volume_kms_key": "a key"}, "hydra.launcher.volume_kms_key must be a key's id, alias or ARN"),
        ({"tags": {"aws:x": "1"}}, "hydra.launcher.tags keys must be"),
        ({"tags": {"x": "a;b"}}, "hydra.launcher.tags.x must be up to 256"),
        ({"tags": {str(n): "" for n in range(39)}}, "hydra.launcher.tags must be at most 38"),
        ({"environment": {"A-B": "1"}}, "hydra.launcher.environment names must be"),
        ({"environment": {f"A{n}": "1" for n in range(93)}}, "hydra.launcher.environment must be at most 92"),
        ({"max_parallel": 0}, "hydra.launcher.max_parallel must be a whole number from 1"),
        ({"poll_interval_s": 0}, "hydra.launcher.poll_interval_s must be greater than 0 s"),
        ({"on_interrupt": "hang"}, "hydra.launcher.on_interrupt must be stop or leave, got 'hang'"),
        ({"experiment": "a_b"}, "hydra.launcher.experiment must be up to 59 small letters"),
        ({"prices": {"ml.c5.xlarge": -1.0}}, "hydra.launcher.prices.ml.c5.xlarge must be a price"),
    ],
)
def test_what_breaks_a_rule_is_told(changed, told):
    with pytest.raises(ConfigError) as error:
        options(**changed)
    assert told in str(error.value)


def test_a_long_variable_is_told_without_its_value():
    with pytest.raises(ConfigError) as error:
        options(environment={"TOKEN": "s3cret" * 100})
    assert "hydra.launcher.environment.TOKEN must be at most 512 characters, got 600" in str(error.value)
    assert "s3cret" not in str(error.value)


def test_groups_of_hosts_pass():
    chosen = options(**HETERO, learner_group="learner", prices={"ml.g5.xlarge": 1.0, "ml.c5.4xlarge": 2.0})
    assert chosen.hosts == 3
    assert chosen.most_cost() == pytest.approx(4 * (1.0 + 2 * 2.0))


def test_the_most_that_a_job_costs_is_not_guessed():
    assert options().most_cost() is None


def test_limits_are_those_of_the_services_model():
    assert shape("MaxRuntimeInSeconds").get("min") == 1
    assert shape("TrainingJobName")["max"] == 63
    assert shape("HyperParameterValue")["max"] == 2500
    assert shape("TrainingEnvironmentValue")["max"] == rules.LONGEST_VARIABLE
    assert shape("TagList")["max"] == rules.MOST_TAGS + 12
    assert shape("InstanceGroups")["max"] == rules.MOST_GROUPS
    assert shape("KeepAlivePeriodInSeconds")["max"] == 21_600
    assert shape("MaximumRetryAttempts")["max"] == 30
    assert shape("MetricDefinitionList")["max"] == 40
    assert (shape("Subnets")["max"], shape("VpcSecurityGroupIds")["max"]) == (16, 5)
