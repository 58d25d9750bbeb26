"""Every option of a job reaches the service, as it wants it."""

from __future__ import annotations

import json

import pytest
from sagemaker_jobs.aws.connection import Connection
from sagemaker_jobs.container.metric_lines import definitions, reported_metrics
from sagemaker_jobs.submit import training_request as requests

from battery_lab.common.errors import ConfigError
from tests.sagemaker_jobs.option_values import REQUIRED, options
from tests.sagemaker_jobs.sweeps import StubSweep

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
    """What was asked for that changes anything; a job of an earlier test may still be reading."""
    reads = ("Get", "Head", "List", "Describe")
    return [one for one in emulator.requests() if not one["operation"].startswith(reads)]


def sent(emulator, tmp_path, **chosen):
    """The request by which a job was created; the job itself is stopped."""
    # A folder by another name is another sweep, which has no job yet.
    sweep = StubSweep(tmp_path / tmp_path.name, [{"steps": 1}], chosen)
    sweep.launch()
    (trial,) = sweep.known
    sweep.made.open()
    sweep.made.start(trial.number, trial.folder, trial.job(None))
    sweep.made.close()
    told = emulator.requests("CreateTrainingJob")[-1]["parameters"]
    assert told["TrainingJobName"] == sweep.made.jobs.latest(0, trial_who(sweep)).name
    return told


def trial_who(sweep):
    """Digits of what the job of the sweep's one trial does."""
    return json.loads((sweep.folder / "remote.json").read_text())["jobs"]["0"][1]


def test_every_option_is_in_the_request(emulator, tmp_path):
    told = sent(emulator, tmp_path, **ALL)
    assert told["RoleArn"] == REQUIRED["role"]
    assert told["AlgorithmSpecification"] == {
        "TrainingImage": REQUIRED["image_uri"],
        "TrainingInputMode": "File",
        "MetricDefinitions": definitions(reported_metrics(())),
    }
    assert told["ResourceConfig"] == {
        "InstanceType": "ml.m5.large",
        "InstanceCount": 1,
        "VolumeSizeInGB": 51,
        "VolumeKmsKeyId": "alias/disk",
    }
    assert told["StoppingCondition"] == {"MaxRuntimeInSeconds": 1234, "MaxWaitTimeInSeconds": 2345}
    assert told["EnableManagedSpotTraining"] is True
    assert told["CheckpointConfig"]["LocalPath"] == "/opt/ml/checkpoints"
    assert told["CheckpointConfig"]["S3Uri"].startswith("s3://lab/elsewhere/battery-lab-")
    assert told["RetryStrategy"] == {"MaximumRetryAttempts": 3}
    assert told["VpcConfig"] == {"Subnets": ["subnet-0a", "subnet-0b"], "SecurityGroupIds": ["sg-0a"]}
    assert told["OutputDataConfig"]["KmsKeyId"] == "alias/output"
    assert told["EnableInterContainerTrafficEncryption"] is True
    assert told["EnableNetworkIsolation"] is True
    assert {"Key": "team", "Value": "storage"} in told["Tags"]
    assert {"Key": "choice.number", "Value": "0"} in told["Tags"]
    assert told["Environment"]["COLOUR"] == "green"
    assert told["ExperimentConfig"]["ExperimentName"] == "an-experiment"
    assert json.loads(told["HyperParameters"]["number"]) == "0"
    assert json.loads(told["HyperParameters"]["sagemaker_program"]) == "sagemaker_entry.py"


def test_hosts_stay_for_a_next_job(emulator, tmp_path):
    told = sent(emulator, tmp_path, keep_alive_period_s=600)
    assert told["ResourceConfig"]["KeepAlivePeriodInSeconds"] == 600
    assert told.get("EnableManagedSpotTraining") in (None, False)


def test_a_preview_shows_groups_of_hosts_and_sends_nothing(emulator, tmp_path):
    before = writes(emulator)
    chosen = {"instance_type": None, "instance_count": None, "instance_groups": GROUPS, "learner_group": "learner"}
    chosen["environment"] = {"SECRET": "sesame"}
    sweep = StubSweep(tmp_path / "dry", [{"steps": 1}], chosen)
    sweep.launch()
    (trial,) = sweep.known
    told = json.loads(sweep.pool(dry=True).preview(0, trial.folder, trial.job(None)))
    assert told["ResourceConfig"]["InstanceGroups"] == [
        {"InstanceGroupName": one["name"], "InstanceType": one["type"], "InstanceCount": one["count"]} for one in GROUPS
    ]
    assert told["Environment"]["BATTERY_LAB_LEARNER_GROUP"] == "learner"
    assert told["Environment"]["SECRET"] == "***"
    assert writes(emulator) == before
    assert not trial.folder.exists()


def test_hosts_with_nothing_to_do_are_told_before_anything_is_sent(emulator, tmp_path):
    before = writes(emulator)
    sweep = StubSweep(tmp_path / "idle", [{}], {"instance_count": 2})
    sweep.launch()
    with pytest.raises(ConfigError, match="a job of 2 hosts must have runners or learners for them"):
        sweep.made.validate(sweep.known[0].job(None))
    assert writes(emulator) == before


def given(choices):
    return requests.Request(
        name="n", number=0, who="w", sweep="s", choices=choices, learners=0, source="", trial="", data=None, start=None
    )


def test_defaults_of_the_sdk_are_checked_as_they_are_loaded(emulator, tmp_path, monkeypatch):
    # And not again at each look into them, as the SDK does.
    from jsonschema.exceptions import ValidationError

    monkeypatch.setenv("SAGEMAKER_USER_CONFIG_OVERRIDE", str(tmp_path / "config.yaml"))
    (tmp_path / "config.yaml").write_text("SchemaVersion: '1.0'\nSageMaker: {TrainingJob: {RoleArn: 3}}\n")
    with pytest.raises(ValidationError, match="3 is not of type 'string'"):
        Connection("eu-west-1", "lab").sdk  # noqa: B018


def test_too_many_overrides_are_told():
    with pytest.raises(ConfigError, match="at most 90 overrides, which travel as hyperparameters, got 91"):
        requests.parameters("w", "s", 0, [f"a{n}=1" for n in range(91)])


def test_tags_are_cut_to_what_the_service_takes():
    told = requests.tags(given(["network.hidden=[64,64]", *(f"a{n}=1" for n in range(90))]), options(tags={"a": "b"}))
    assert len(told) == 50
    assert told["choice.network.hidden"] == "64 64"
    assert requests.tag_value("x" * 300) == "x" * 256
