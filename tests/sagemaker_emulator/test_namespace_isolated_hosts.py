"""Hosts with namespaces: several per job, a real /opt/ml, and daemons that end with the job."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from sagemaker_emulator import Emulator, namespaces_work

from tests.sagemaker_emulator.stub_jobs import BUCKET, Lab, statuses, until

pytestmark = pytest.mark.skipif(namespaces_work() is not None, reason=str(namespaces_work()))


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    with Emulator(tmp_path_factory.mktemp("namespaces"), isolation="namespaces", upload_every=60) as emulator:
        yield Lab(emulator)


def test_hosts_of_two_groups_can_connect(lab):
    for name in ("a", "b", "c"):
        lab.s3.put_object(Bucket=BUCKET, Key=f"shards/{name}", Body=b"1")
    groups = [
        {"InstanceGroupName": "learners", "InstanceType": "ml.c5.xlarge", "InstanceCount": 1},
        {"InstanceGroupName": "runners", "InstanceType": "ml.c5.2xlarge", "InstanceCount": 2},
    ]
    source = {
        "S3DataType": "S3Prefix",
        "S3Uri": f"s3://{BUCKET}/shards",
        "S3DataDistributionType": "ShardedByS3Key",
        "InstanceGroupNames": ["runners"],
    }
    request = lab.request(
        "meet",
        ResourceConfig={"InstanceGroups": groups, "VolumeSizeInGB": 1},
        InputDataConfig=[{"ChannelName": "market", "DataSource": {"S3DataSource": source}}],
    )
    here = Path("/opt/ml").exists()
    job = lab.finished(lab.start(request))
    assert job["TrainingJobStatus"] == "Completed", job.get("FailureReason")
    assert job["ResourceConfig"]["InstanceGroups"] == groups
    files = lab.unpacked(f"out/{job['TrainingJobName']}/output/model.tar.gz")
    assert json.loads(files["met.json"]) == ["algo-2", "algo-3"]
    first, second, third = (json.loads(files[f"algo-{number}.json"]) for number in (1, 2, 3))
    assert first["files"] is None and sorted(second["files"] + third["files"]) == ["a", "b", "c"]
    assert {len(second["files"]), len(third["files"])} == {1, 2}
    assert "host_supervisor.py" in first["first"]
    resources = third["resources"]
    assert resources["hosts"] == ["algo-1", "algo-2", "algo-3"]
    assert resources["current_host"] == "algo-3" and resources["current_group_name"] == "runners"
    assert resources["current_instance_type"] == "ml.c5.2xlarge"
    assert [(each["instance_group_name"], each["hosts"]) for each in resources["instance_groups"]] == [
        ("learners", ["algo-1"]),
        ("runners", ["algo-2", "algo-3"]),
    ]
    assert Path("/opt/ml").exists() == here


def test_files_that_were_not_copied_are_lost_with_a_spot_instance(lab):
    name = lab.start(lab.spot("count"))
    lab.ready(name)
    lab.emulator.interrupt(name)
    # It counts from the start again, and without end.
    until(lambda: lab.output(name).count("\nready") == 2, "it did not start again")
    assert lab.object(f"checkpoints/{name}/count") is None
    assert "Interrupted" in statuses(lab.stop(name))
    assert lab.object(f"checkpoints/{name}/count") == b"7"
