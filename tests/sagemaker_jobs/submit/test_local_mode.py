"""instance_type=local goes through the SDK's local mode, with its containers stood in for: there is no Docker here."""

from __future__ import annotations

import io
import json
import tarfile

import pytest

from battery_lab.sweep.journal import State
from tests.sagemaker_jobs.sweeps import StubSweep

CHOSEN = {"instance_type": "local", "checkpoint_s3_uri": None, "role": None}


@pytest.fixture
def containers(emulator, monkeypatch):
    """What containers were asked to do; each leaves what a trial does, where the SDK puts it."""
    from sagemaker.local.image import _SageMakerContainer

    asked = []

    def train(container, inputs, output, hyperparameters, environment, job_name):
        asked.append((container.instance_type, container.image, job_name, {one["ChannelName"] for one in inputs}))
        if len(asked) == 2:
            raise RuntimeError("Failed to run: ['docker', 'compose'], Process exited with code: 1")
        content = io.BytesIO()
        with tarfile.open(fileobj=content, mode="w:gz") as tar:
            figures = json.dumps({"validation/capture": 0.5}).encode()
            info = tarfile.TarInfo("data/metrics.json")
            info.size = len(figures)
            tar.addfile(info, io.BytesIO(figures))
        bucket, _, key = output["S3OutputPath"].removeprefix("s3://").partition("/")
        place = f"{key}/{job_name}/output/output.tar.gz"
        emulator.client("s3").put_object(Bucket=bucket, Key=place, Body=content.getvalue())
        return "s3://nowhere"

    monkeypatch.setattr(_SageMakerContainer, "_get_compose_cmd_prefix", staticmethod(lambda: ["docker", "compose"]))
    monkeypatch.setattr(_SageMakerContainer, "train", train)
    return asked


def test_a_dry_run_begins_no_container(containers, tmp_path):
    sweep = StubSweep(tmp_path / "dry", [{}], CHOSEN)
    sweep.launch()
    told = json.loads(sweep.pool(dry=True).preview(0, sweep.known[0].folder, sweep.known[0].job(None)))
    assert told["ResourceConfig"]["InstanceType"] == "local"
    assert containers == []


def test_trials_run_in_local_containers_and_come_home(emulator, containers, tmp_path):
    before = len(emulator.requests("CreateTrainingJob"))
    sweep = StubSweep(tmp_path / "local", [{}, {"steps": 2}], CHOSEN)
    endings = sweep.run()
    assert (endings[0].state, endings[0].result) == (State.DONE, 0.5)
    assert endings[1].state == State.FAILED and "Process exited with code: 1" in endings[1].reason
    image = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/battery_lab:1"
    assert [(kind, uri, channels) for kind, uri, _, channels in containers] == [("local", image, {"trial"})] * 2
    assert len(emulator.requests("CreateTrainingJob")) == before
    # Nothing to be collected from elsewhere.
    assert not (sweep.folder / "remote.json").exists()
