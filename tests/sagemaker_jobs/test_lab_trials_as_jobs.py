"""The lab's own trials as jobs of an emulator: the same folders and metrics as of trials that run locally.

The same sweeps show that each request is among the rights of ``launchers/iam/launcher.json``, that Experiments sort the
runs, and that the image serves the model of a job.
"""

from __future__ import annotations

import json
import signal
import tarfile
from itertools import pairwise

import numpy as np
import pytest

from battery_lab.cli.commands import export
from battery_lab.serving.artifact import Artifact
from battery_lab.sweep.trial_folder import checkpoint_steps
from tests.launchers.kill_harness import ROOT
from tests.launchers.stub_hydra_app import until
from tests.sagemaker_jobs.conftest import missing
from tests.sagemaker_jobs.lab_sweeps import JOBS, LOCAL, TIMEOUT_S, Lab, curves, metrics
from tests.serving.image_without_docker import container, lay_out

pytestmark = [
    pytest.mark.walk,
    pytest.mark.first,
    pytest.mark.skipif(bool(missing()), reason=f"the extra aws or the emulator is not installed: {missing()}"),
]
LONG = ("train.env_steps=65536", "train.checkpoint_every=4096", "train.validate_every=16384")


@pytest.fixture(scope="module", params=[2, pytest.param(6, marks=pytest.mark.slow)])
def both(request, tmp_path_factory):
    """The lab, and the folders of the same sweep run locally (of two trials, only the first) and as jobs."""
    lab = Lab(tmp_path_factory.mktemp("lab"))
    seeds = f"seed=range(0,{request.param})"
    if request.param == 2:
        # These compile for as long as all the rest takes.
        lab.choices = [choice for choice in lab.choices if "stochastic_dp" not in choice]
        lab.choices += [f"~baseline@env.baselines.{name}" for name in ("receding_horizon", "stochastic_dp")]
        lab.choices.append("reward=degradation")
    # Both at once, as neither keeps all cores busy.
    process, local = lab.start("local", "tracking=none", "seed=0" if request.param == 2 else seeds, *LOCAL)
    try:
        jobs = lab.sweep("jobs", seeds, *JOBS)
        output, _ = process.communicate(timeout=TIMEOUT_S)
        assert process.returncode == 0, output
        yield lab, local, jobs
    finally:
        process.kill()
        lab.close()


def trials(folder):
    return sorted(path for path in folder.iterdir() if path.name.isdigit())


def test_jobs_leave_the_same_results_as_local_trials(both):
    _, local, jobs = both
    assert trials(local) and len(trials(jobs)) > 1
    for trial, job in zip(trials(local), trials(jobs), strict=False):
        assert metrics(job) == metrics(trial)
        assert curves(job) == curves(trial)
        left = ("report.html", "dispatch.parquet", "policy", "trial.yaml", "trial.log", "job.json", "test_looks.jsonl")
        for name in left:
            assert (job / name).exists(), name
        # A local run can resume from it.
        assert checkpoint_steps(job) == checkpoint_steps(trial)


def test_jobs_run_two_at_a_time(both):
    lab, _, jobs = both
    client = lab.emulator().client("sagemaker")
    prefix = json.loads((jobs / "remote.json").read_text())["lead"]
    page = client.list_training_jobs(NameContains=prefix, MaxResults=100)
    names = [job["TrainingJobName"] for job in page["TrainingJobSummaries"]]
    assert len(names) == len(trials(jobs))
    spans = [
        (job["CreationTime"], job["TrainingEndTime"])
        for job in map(lambda name: client.describe_training_job(TrainingJobName=name), names)
    ]
    assert max(sum(start <= time < end for start, end in spans) for time, _ in spans) == 2


def test_runs_of_jobs_are_children_of_their_sweep_in_mlflow(both):
    lab, _, jobs = both
    client, children, parents = lab.runs()
    (parent,) = parents
    assert parent.info.status == "FINISHED" and len(children) == len(trials(jobs))
    for child in children:
        assert child.data.tags["mlflow.parentRunId"] == parent.info.run_id
        points = client.get_metric_history(child.info.run_id, "validation/capture")
        assert len({point.step for point in points}) > 1
        assert {file.path for file in client.list_artifacts(child.info.run_id)} >= {"metrics.json", "report.html"}


def test_experiment_analytics_sorts_runs_by_a_metric(both, monkeypatch):
    from sagemaker.analytics import ExperimentAnalytics
    from sagemaker_jobs.aws.connection import Connection
    from sagemaker_jobs.collect.sweep_record import SweepRecord

    lab, _, jobs = both
    for name, value in lab.emulator().environment.items():
        monkeypatch.setenv(name, value)
    record = SweepRecord.read(jobs)
    runs = ExperimentAnalytics(
        experiment_name=record.experiment,
        search_expression={"Filters": [{"Name": "TrialComponentName", "Operator": "Contains", "Value": "trial-"}]},
        sort_by="metrics.validation/capture.max",
        sagemaker_session=Connection(record.region, record.layout.bucket).sdk,
    ).dataframe()
    captures = list(runs["validation/capture - Max"])
    assert len(captures) == len(trials(jobs))
    assert all(first >= second for first, second in pairwise(captures))
    assert captures[0] == pytest.approx(max(metrics(job)["validation/capture"] for job in trials(jobs)))


def test_a_log_is_followed_to_its_end(both):
    lab, _, jobs = both
    output = lab.run("sweep", "logs", str(jobs), "1")
    assert "metrics env_steps=512 " in output
    assert output.splitlines()[-1].endswith("Reporting training SUCCESS")


def test_metric_lines_become_metrics_of_the_job(both):
    lab, _, jobs = both
    name, _ = json.loads((jobs / "remote.json").read_text())["jobs"]["1"]
    job = lab.emulator().client("sagemaker").describe_training_job(TrainingJobName=name)
    found = {metric["MetricName"]: metric["Value"] for metric in job["FinalMetricDataList"]}
    expected = metrics(jobs / "1")
    for metric in ("validation/capture", "test/capture", "test/profit_per_day"):
        assert found[metric.replace("/", ":")] == pytest.approx(expected[metric], rel=1e-6)
    assert {"train:env_steps_per_second", "learner:entropy", "learner:total_loss", "train:reward_mean"} <= found.keys()


def test_the_image_serves_what_a_job_trained(both, tmp_path):
    lab, local, jobs = both
    name, _ = json.loads((jobs / "remote.json").read_text())["jobs"]["0"]
    job = lab.emulator().client("sagemaker").describe_training_job(TrainingJobName=name)
    bucket, key = job["ModelArtifacts"]["S3ModelArtifacts"].removeprefix("s3://").split("/", 1)
    lab.emulator().client("s3").download_file(bucket, key, str(tmp_path / "model.tar.gz"))
    (tmp_path / "ml" / "model").mkdir(parents=True)
    with tarfile.open(tmp_path / "model.tar.gz") as tar:
        tar.extractall(tmp_path / "ml" / "model", filter="data")
    assert {"policy", "trial.yaml", "metrics.json"} <= {path.name for path in (tmp_path / "ml" / "model").iterdir()}
    # The policy of the same trial, run locally.
    export.main([f"run={local / '0'}", f"to={tmp_path / 'local'}"])
    policy = Artifact(tmp_path / "local")
    observation = np.random.default_rng(0).normal(size=(300, policy.size)).astype(np.float32)
    with container(lay_out(tmp_path / "image"), tmp_path / "ml") as (client, _, _):
        status, answer = client.ask(body={"instances": observation.tolist()})
    assert status == 200, answer
    assert answer["predictions"] == policy.predictions(observation)
    assert len({action["request_mw"] for action in answer["predictions"]}) > 1


@pytest.mark.slow
def test_a_job_evaluates_a_policy(both):
    lab, local, _ = both
    run = local / "0"
    evaluating = Lab.__new__(Lab)
    evaluating.home, evaluating.swept, evaluating.choices = lab.home, (), [f"rerun={run}"]
    folder = evaluating.sweep(
        "evaluated", *JOBS, f"hydra.launcher.checkpoint={run}", "hydra.launcher.evaluate_only=true"
    )
    evaluation = metrics(folder / "0")
    assert evaluation["test/capture"] == metrics(run)["test/capture"]
    assert "train/env_steps" not in evaluation
    # The use of the test period counts for the run and for the trial.
    looks = [(trial / "test_looks.jsonl").read_text().splitlines() for trial in (run, folder / "0")]
    assert looks[0] == looks[1] and len(looks[0]) == 2


# The rights that requests of S3 need; in other services a right has the name of its request.
S3_RIGHTS = {
    "ListObjectsV2": "ListBucket",
    "HeadObject": "GetObject",
    "GetObject": "GetObject",
    "PutObject": "PutObject",
}
S3_RIGHTS |= {"CreateMultipartUpload": "PutObject", "UploadPart": "PutObject", "CompleteMultipartUpload": "PutObject"}


def test_every_request_is_among_the_rights(both):
    lab, _, _ = both
    policy = json.loads((ROOT / "launchers" / "iam" / "launcher.json").read_text())
    granted = {
        right
        for statement in policy["Statement"]
        for right in ([statement["Action"]] if isinstance(statement["Action"], str) else statement["Action"])
    }
    requests = lab.emulator().requests()
    # The rehearsal itself creates the bucket.
    made = {(request["service"], request["operation"]) for request in requests}
    made -= {("s3", "ListBuckets"), ("s3", "CreateBucket"), ("", "")}
    needed = {f"s3:{S3_RIGHTS[name]}" if service == "s3" else f"{service}:{name}" for service, name in made}
    assert {"sagemaker:CreateTrainingJob", "sagemaker:BatchPutMetrics", "logs:GetLogEvents"} <= needed
    assert needed <= granted
    for request in requests:
        parameters = request["parameters"]
        if request["service"] == "s3" and request["operation"] in S3_RIGHTS:
            # The rights are limited to these keys.
            assert str(parameters.get("Key") or parameters.get("Prefix")).startswith("battery_lab/"), request
        if request["operation"].endswith("TrainingJob"):
            assert parameters["TrainingJobName"].startswith("battery-lab-"), request


@pytest.mark.slow
def test_a_spot_job_of_the_lab_resumes_from_a_complete_checkpoint(tmp_path):
    lab = Lab(tmp_path, "seed=0")
    spot = ("hydra.launcher.spot=true", "hydra.launcher.max_wait_s=20000", *LONG)
    try:
        process, folder = lab.start("jobs", *JOBS, *spot)
        until(lambda: (folder / "0" / "curves.jsonl").exists(), seconds=120)
        until(lambda: len(curves(folder / "0")) > 8, seconds=120)
        (name, _) = json.loads((folder / "remote.json").read_text())["jobs"]["0"]
        lab.emulator().interrupt(name)
        output, _ = process.communicate(timeout=TIMEOUT_S)
        assert process.returncode == 0, output
        local = lab.sweep("local", "tracking=none", *LOCAL, *LONG)
    finally:
        lab.close()
    log = (folder / "0" / "trial.log").read_text()
    assert log.count("--- ") == 2, log
    assert metrics(folder / "0") == metrics(local / "0")
    assert curves(folder / "0") == curves(local / "0")


@pytest.mark.slow
def test_a_launch_after_a_kill_follows_the_jobs_of_the_killed_one(tmp_path):
    lab = Lab(tmp_path, "seed=0,1")
    try:
        process, folder = lab.start("jobs", *JOBS, *LONG)
        until(lambda: (folder / "1" / "curves.jsonl").exists(), seconds=180)
        process.kill()
        process.communicate()
        assert lab.sweep("jobs", *JOBS, *LONG) == folder
        created = lab.emulator().requests("CreateTrainingJob")
    finally:
        lab.close()
    assert len(created) == 2
    assert min(metrics(trial)["train/env_steps"] for trial in trials(folder)) >= 65_536


@pytest.mark.slow
def test_a_stopped_job_of_the_lab_has_saved_a_checkpoint(tmp_path):
    lab = Lab(tmp_path, "seed=0")
    rare = ("train.env_steps=1e8", "train.checkpoint_every=1e8", "train.validate_every=1e8", "rollout.compile=false")
    try:
        process, folder = lab.start("jobs", *JOBS, *rare)
        until(lambda: (folder / "0" / "curves.jsonl").exists() and len(curves(folder / "0")) > 2, seconds=120)
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=180)
        assert process.returncode == 128 + signal.SIGINT
        remote = json.loads((folder / "remote.json").read_text())
        page = lab.emulator().client("s3").list_objects_v2(Bucket=remote["bucket"], Prefix=remote["prefix"])
    finally:
        lab.close()
    assert any("/checkpoints/0" in each["Key"] and each["Key"].endswith("state.json") for each in page["Contents"])


@pytest.mark.slow
def test_a_job_continues_a_run(tmp_path):
    lab = Lab(tmp_path, "seed=0")
    try:
        run = lab.sweep("local", "tracking=none", *LOCAL) / "0"
        lab.swept, lab.choices = (), [f"rerun={run}", "train.env_steps=8192"]
        further = lab.sweep("further", *JOBS, f"hydra.launcher.checkpoint={run}") / "0"
        # And again from the checkpoint of that job in S3.
        (name, _) = json.loads((further.parent / "remote.json").read_text())["jobs"]["0"]
        job = lab.emulator().client("sagemaker").describe_training_job(TrainingJobName=name)
        checkpoint = job["CheckpointConfig"]["S3Uri"].rstrip("/") + "/0"
        lab.choices = [f"rerun={run}", "train.env_steps=12288"]
        last = lab.sweep("last", *JOBS, f"hydra.launcher.checkpoint={checkpoint}") / "0"
    finally:
        lab.close()
    for before, after, steps in ((run, further, 8192), (further, last, 12_288)):
        start, whole = curves(before)[:-1], curves(after)
        assert start and whole[: len(start)] == start
        assert metrics(after)["train/env_steps"] >= steps > metrics(before)["train/env_steps"]
