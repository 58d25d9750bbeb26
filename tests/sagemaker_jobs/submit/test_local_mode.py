"""instance_type=local uses the SDK's local mode; its containers are replaced, as tests have no Docker."""

from __future__ import annotations

import io
import json
import tarfile

import pytest

from battery_lab.sweep.journal import TrialState
from tests.sagemaker_jobs.stub_sweeps import StubSweep

CHOSEN = {"instance_type": "local", "checkpoint_s3_uri": None, "role": None}


@pytest.fixture
def containers(emulator, monkeypatch):
    """Record the containers that are started; each leaves what a trial does, where the SDK puts it."""
    from sagemaker.local.image import _SageMakerContainer

    started = []

    def train(container, inputs, output, hyperparameters, environment, job_name):
        channels = {channel["ChannelName"] for channel in inputs}
        started.append((container.instance_type, container.image, job_name, channels))
        if len(started) == 2:
            raise RuntimeError("Failed to run: ['docker', 'compose'], Process exited with code: 1")
        content = io.BytesIO()
        with tarfile.open(fileobj=content, mode="w:gz") as tar:
            figures = json.dumps({"validation/capture": 0.5}).encode()
            info = tarfile.TarInfo("data/metrics.json")
            info.size = len(figures)
            tar.addfile(info, io.BytesIO(figures))
        bucket, _, key = output["S3OutputPath"].removeprefix("s3://").partition("/")
        output_key = f"{key}/{job_name}/output/output.tar.gz"
        emulator.client("s3").put_object(Bucket=bucket, Key=output_key, Body=content.getvalue())
        return "s3://nowhere"

    monkeypatch.setattr(_SageMakerContainer, "_get_compose_cmd_prefix", staticmethod(lambda: ["docker", "compose"]))
    monkeypatch.setattr(_SageMakerContainer, "train", train)
    return started


def test_a_dry_run_starts_no_container(containers, tmp_path):
    sweep = StubSweep(tmp_path / "dry", [{}], CHOSEN)
    sweep.launch()
    (trial,) = sweep.trials_of_launch
    request = json.loads(sweep.pool(dry_run=True).preview(0, trial.folder, trial.job(None)))
    assert request["ResourceConfig"]["InstanceType"] == "local"
    assert containers == []


def test_trials_run_in_local_containers(emulator, containers, tmp_path):
    before = len(emulator.requests("CreateTrainingJob"))
    sweep = StubSweep(tmp_path / "local", [{}, {"steps": 2}], CHOSEN)
    outcomes = sweep.run()
    assert (outcomes[0].state, outcomes[0].result) == (TrialState.DONE, 0.5)
    assert outcomes[1].state == TrialState.FAILED and "Process exited with code: 1" in outcomes[1].reason
    image = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/battery_lab:1"
    assert [(kind, uri, channels) for kind, uri, _, channels in containers] == [("local", image, {"trial"})] * 2
    assert len(emulator.requests("CreateTrainingJob")) == before
    # There is nothing to collect from elsewhere.
    assert not (sweep.folder / "remote.json").exists()
