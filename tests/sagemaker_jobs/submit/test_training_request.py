"""Every option of a job is in the request to the service."""

from __future__ import annotations

import json

import pytest
from sagemaker_jobs.aws.connection import Connection
from sagemaker_jobs.container.metric_lines import metric_definitions, reported_metrics
from sagemaker_jobs.submit import training_request

from battery_lab.common.errors import ConfigError
from tests.sagemaker_jobs.option_values import REQUIRED, options
from tests.sagemaker_jobs.stub_sweeps import StubSweep

ALL = {
    "instance_type": "ml.m5.large",
    "volume_size_gb": 51,
    "max_run_s": 1234,
    "spot": True,
    "max_wait_s": 2345,
    "checkpoint_s3_uri": "s3://lab/elsewhere",
    "max_retry_attempts": 3,
    "subnets": ["subnet-0a", "subnet-0b"],
    "security_group_ids": ["sg-0a"],
    "volume_kms_key": "alias/disk",
    "output_kms_key": "alias/output",
    "encrypt_inter_container_traffic": True,
    "enable_network_isolation": True,
    "tags": {"team": "storage"},
    "environment": {"COLOUR": "green"},
    "experiment": "an-experiment",
}
GROUPS = [
    {"name": "learner", "type": "ml.g5.xlarge", "count": 1},
    {"name": "rollout", "type": "ml.c5.xlarge", "count": 2},
]


def writes(emulator):
    """Return the requests that change something; jobs of earlier tests may still be reading."""
    reads = ("Get", "Head", "List", "Describe")
    return [request for request in emulator.requests() if not request["operation"].startswith(reads)]


def request_of(emulator, tmp_path, **chosen):
    """Create a job, stop it, and return the request that created it."""
    # A folder with another name is another sweep, which has no job yet.
    sweep = StubSweep(tmp_path / tmp_path.name, [{"steps": 1}], chosen)
    sweep.launch()
    (trial,) = sweep.trials_of_launch
    sweep.job_pool.open()
    sweep.job_pool.start(trial.number, trial.folder, trial.job(None))
    sweep.job_pool.close()
    request = emulator.requests("CreateTrainingJob")[-1]["parameters"]
    assert request["TrainingJobName"] == sweep.job_pool.jobs.latest(0, digest_of(sweep)).name
    return request


def digest_of(sweep):
    """Return the digest of the sweep's only trial."""
    return json.loads((sweep.folder / "remote.json").read_text())["jobs"]["0"][1]


def test_every_option_is_in_the_request(emulator, tmp_path):
    request = request_of(emulator, tmp_path, **ALL)
    assert request["RoleArn"] == REQUIRED["role"]
    assert request["AlgorithmSpecification"] == {
        "TrainingImage": REQUIRED["image_uri"],
        "TrainingInputMode": "File",
        "MetricDefinitions": metric_definitions(reported_metrics(())),
    }
    assert request["ResourceConfig"] == {
        "InstanceType": "ml.m5.large",
        "InstanceCount": 1,
        "VolumeSizeInGB": 51,
        "VolumeKmsKeyId": "alias/disk",
    }
    assert request["StoppingCondition"] == {"MaxRuntimeInSeconds": 1234, "MaxWaitTimeInSeconds": 2345}
    assert request["EnableManagedSpotTraining"] is True
    assert request["CheckpointConfig"]["LocalPath"] == "/opt/ml/checkpoints"
    assert request["CheckpointConfig"]["S3Uri"].startswith("s3://lab/elsewhere/battery-lab-")
    assert request["RetryStrategy"] == {"MaximumRetryAttempts": 3}
    assert request["VpcConfig"] == {"Subnets": ["subnet-0a", "subnet-0b"], "SecurityGroupIds": ["sg-0a"]}
    assert request["OutputDataConfig"]["KmsKeyId"] == "alias/output"
    assert request["EnableInterContainerTrafficEncryption"] is True
    assert request["EnableNetworkIsolation"] is True
    assert {"Key": "team", "Value": "storage"} in request["Tags"]
    assert {"Key": "choice.number", "Value": "0"} in request["Tags"]
    assert request["Environment"]["COLOUR"] == "green"
    assert request["ExperimentConfig"]["ExperimentName"] == "an-experiment"
    assert json.loads(request["HyperParameters"]["number"]) == "0"
    assert json.loads(request["HyperParameters"]["sagemaker_program"]) == "sagemaker_entry.py"


def test_a_warm_pool_is_in_the_request(emulator, tmp_path):
    request = request_of(emulator, tmp_path, keep_alive_period_s=600)
    assert request["ResourceConfig"]["KeepAlivePeriodInSeconds"] == 600
    assert request.get("EnableManagedSpotTraining") in (None, False)


def test_a_preview_shows_groups_of_hosts_and_sends_nothing(emulator, tmp_path):
    before = writes(emulator)
    chosen = {"instance_type": None, "instance_count": None, "instance_groups": GROUPS, "learner_group": "learner"}
    chosen["environment"] = {"SECRET": "sesame"}
    sweep = StubSweep(tmp_path / "dry", [{"steps": 1}], chosen)
    sweep.launch()
    (trial,) = sweep.trials_of_launch
    request = json.loads(sweep.pool(dry_run=True).preview(0, trial.folder, trial.job(None)))
    assert request["ResourceConfig"]["InstanceGroups"] == [
        {"InstanceGroupName": group["name"], "InstanceType": group["type"], "InstanceCount": group["count"]}
        for group in GROUPS
    ]
    assert request["Environment"]["BATTERY_LAB_LEARNER_GROUP"] == "learner"
    assert request["Environment"]["SECRET"] == "***"
    assert writes(emulator) == before
    assert not trial.folder.exists()


def test_hosts_without_runners_or_learners_are_an_error_before_anything_is_sent(emulator, tmp_path):
    before = writes(emulator)
    sweep = StubSweep(tmp_path / "idle", [{}], {"instance_count": 2})
    sweep.launch()
    with pytest.raises(ConfigError, match="a job of 2 hosts must have env runners or learners for them"):
        sweep.job_pool.validate(sweep.trials_of_launch[0].job(None))
    assert writes(emulator) == before


def job_request(overrides):
    return training_request.JobRequest(
        name="n",
        number=0,
        digest="d",
        sweep="s",
        overrides=overrides,
        learners=0,
        source="",
        trial="",
        data=[],
        metrics=(),
        start=None,
    )


def test_invalid_defaults_of_the_sdk_are_an_error_when_they_are_loaded(emulator, tmp_path, monkeypatch):
    from jsonschema.exceptions import ValidationError

    monkeypatch.setenv("SAGEMAKER_USER_CONFIG_OVERRIDE", str(tmp_path / "config.yaml"))
    (tmp_path / "config.yaml").write_text("SchemaVersion: '1.0'\nSageMaker: {TrainingJob: {RoleArn: 3}}\n")
    with pytest.raises(ValidationError, match="3 is not of type 'string'"):
        Connection("eu-west-1", "lab").sdk  # noqa: B018


def test_too_many_overrides_are_an_error():
    with pytest.raises(ConfigError, match="at most 90 overrides, which become hyperparameters, got 91"):
        training_request.hyperparameters("w", "s", 0, [f"a{n}=1" for n in range(91)])


def test_tags_are_cut_to_the_limits_of_the_service():
    request = job_request(["network.hidden=[64,64]", *(f"a{n}=1" for n in range(90))])
    tags = training_request.tags(request, options(tags={"a": "b"}))
    assert len(tags) == 50
    assert tags["choice.network.hidden"] == "64 64"
    assert training_request.tag_value("x" * 300) == "x" * 256
