"""The lab's own trials as jobs of an emulator: the same folders and figures as those of trials that run here."""

from __future__ import annotations

import json
import signal
import tarfile
from itertools import pairwise

import numpy as np
import pytest

from battery_lab.cli import export
from battery_lab.serving.artifact import Artifact
from battery_lab.sweep.trial_folder import checkpoint_steps
from tests.launchers.app import until
from tests.launchers.kills import ROOT
from tests.sagemaker_jobs.conftest import missing
from tests.sagemaker_jobs.rehearsals import HERE, JOBS, Lab, curves, figures
from tests.serving.image import container, lay_out

pytestmark = pytest.mark.skipif(bool(missing()), reason=f"the extras aws and rehearsal are not installed: {missing()}")
LONG = ("train.env_steps=65536", "train.checkpoint_every=4096", "train.validate_every=16384")


@pytest.fixture(scope="module", params=[2, pytest.param(6, marks=pytest.mark.slow)])
def both(request, tmp_path_factory):
    """The lab, and the same sweep here, of the first trial alone where there are two, and as jobs."""
    lab = Lab(tmp_path_factory.mktemp("lab"))
    seeds = f"seed=range(0,{request.param})"
    if request.param == 2:
        # Each job compiles anew, and these for as long as all the rest takes.
        lab.choices = [choice for choice in lab.choices if "stochastic_dp" not in choice]
        lab.choices += [f"~baseline@env.baselines.{name}" for name in ("receding_horizon", "stochastic_dp")]
        lab.choices.append("reward=degradation")
    # Both at once: each waits for much else than a core.
    own, here = lab.start("here", "tracking=none", "seed=0" if request.param == 2 else seeds, *HERE)
    try:
        jobs = lab.sweep("jobs", seeds, *JOBS)
        said, _ = own.communicate(timeout=300)
        assert own.returncode == 0, said
        yield lab, here, jobs
    finally:
        own.kill()
        lab.close()


def trials(folder):
    return sorted(path for path in folder.iterdir() if path.name.isdigit())


def test_jobs_leave_what_trials_here_leave(both):
    _, here, jobs = both
    assert trials(here) and len(trials(jobs)) > 1
    for mine, job in zip(trials(here), trials(jobs), strict=False):
        assert figures(job) == figures(mine)
        assert curves(job) == curves(mine)
        left = ("report.html", "dispatch.parquet", "policy", "trial.yaml", "trial.log", "job.json", "test_looks.jsonl")
        for name in left:
            assert (job / name).exists(), name
        # From which a run here can go on.
        assert checkpoint_steps(job) == checkpoint_steps(mine)


def test_jobs_run_two_at_a_time(both):
    lab, _, jobs = both
    client = lab.emulator().client("sagemaker")
    told = client.list_training_jobs(
        NameContains=json.loads((jobs / "remote.json").read_text())["lead"], MaxResults=100
    )
    names = [job["TrainingJobName"] for job in told["TrainingJobSummaries"]]
    assert len(names) == len(trials(jobs))
    spans = [
        (job["CreationTime"], job["TrainingEndTime"])
        for job in map(lambda name: client.describe_training_job(TrainingJobName=name), names)
    ]
    assert max(sum(begin <= at < end for begin, end in spans) for at, _ in spans) == 2


def test_jobs_stand_under_their_sweep_in_mlflow(both):
    lab, _, jobs = both
    client, children, parents = lab.runs()
    (parent,) = parents
    assert parent.info.status == "FINISHED" and len(children) == len(trials(jobs))
    for child in children:
        assert child.data.tags["mlflow.parentRunId"] == parent.info.run_id
        points = client.get_metric_history(child.info.run_id, "validation/capture")
        assert len({point.step for point in points}) > 1
        assert {file.path for file in client.list_artifacts(child.info.run_id)} >= {"metrics.json", "report.html"}


def test_the_best_of_an_experiment_comes_first(both, monkeypatch):
    from sagemaker_jobs.aws.connection import Connection
    from sagemaker_jobs.aws.experiments import ranked
    from sagemaker_jobs.collect.job_record import Record

    lab, _, jobs = both
    for name, value in lab.emulator().environment.items():
        monkeypatch.setenv(name, value)
    record = Record.read(jobs)
    listed = ranked(Connection(record.region, record.places.bucket), record.experiment)
    captures = list(listed["validation/capture - Max"])
    assert len(captures) == len(trials(jobs))
    assert all(first >= second for first, second in pairwise(captures))
    assert captures[0] == pytest.approx(max(figures(job)["validation/capture"] for job in trials(jobs)))


def test_a_log_is_followed_to_its_end(both):
    lab, _, jobs = both
    said = lab.run("battery_lab.sweep", "logs", str(jobs), "1")
    assert "metrics env_steps=512 " in said
    assert said.splitlines()[-1].endswith("Reporting training SUCCESS")


def test_metric_lines_become_curves_of_the_job(both):
    lab, _, jobs = both
    name, _ = json.loads((jobs / "remote.json").read_text())["jobs"]["1"]
    told = lab.emulator().client("sagemaker").describe_training_job(TrainingJobName=name)
    found = {one["MetricName"]: one["Value"] for one in told["FinalMetricDataList"]}
    expected = figures(jobs / "1")
    for metric in ("validation/capture", "test/capture", "test/profit_per_day"):
        assert found[metric.replace("/", ":")] == pytest.approx(expected[metric], rel=1e-6)
    assert {"train:env_steps_per_second", "learner:entropy", "learner:total_loss", "train:reward_mean"} <= found.keys()


def test_the_image_serves_what_a_job_trained(both, tmp_path):
    lab, here, jobs = both
    name, _ = json.loads((jobs / "remote.json").read_text())["jobs"]["0"]
    told = lab.emulator().client("sagemaker").describe_training_job(TrainingJobName=name)
    bucket, key = told["ModelArtifacts"]["S3ModelArtifacts"].removeprefix("s3://").split("/", 1)
    lab.emulator().client("s3").download_file(bucket, key, str(tmp_path / "model.tar.gz"))
    (tmp_path / "ml" / "model").mkdir(parents=True)
    with tarfile.open(tmp_path / "model.tar.gz") as tar:
        tar.extractall(tmp_path / "ml" / "model", filter="data")
    assert {"policy", "trial.yaml", "metrics.json"} <= {path.name for path in (tmp_path / "ml" / "model").iterdir()}
    # The policy of the same trial, which ran here.
    export.main([f"run={here / '0'}", f"to={tmp_path / 'mine'}"])
    mine = Artifact(tmp_path / "mine")
    observation = np.random.default_rng(0).normal(size=(300, mine.size)).astype(np.float32)
    with container(lay_out(tmp_path / "image"), tmp_path / "ml") as (client, _, _):
        status, answer = client.ask(body={"instances": observation.tolist()})
    assert status == 200, answer
    assert answer["predictions"] == mine.answers(observation)
    assert len({one["request_mw"] for one in answer["predictions"]}) > 1


@pytest.mark.slow
def test_a_policy_is_judged_by_a_job(both):
    lab, here, _ = both
    run = here / "0"
    judging = Lab.__new__(Lab)
    judging.home, judging.swept, judging.choices = lab.home, (), [f"rerun={run}"]
    folder = judging.sweep("judged", *JOBS, f"hydra.launcher.checkpoint={run}", "hydra.launcher.evaluate_only=true")
    told = figures(folder / "0")
    assert told["test/capture"] == figures(run)["test/capture"]
    assert "train/env_steps" not in told
    # The look at test time counts here as it does there.
    looks = [(place / "test_looks.jsonl").read_text().splitlines() for place in (run, folder / "0")]
    assert looks[0] == looks[1] and len(looks[0]) == 2


# Of S3's requests, which rights they want; of the other services a request is a right of its name.
OF_S3 = {"ListObjectsV2": "ListBucket", "HeadObject": "GetObject", "GetObject": "GetObject", "PutObject": "PutObject"}
OF_S3 |= {"CreateMultipartUpload": "PutObject", "UploadPart": "PutObject", "CompleteMultipartUpload": "PutObject"}


def test_every_request_is_among_the_rights(both):
    lab, _, _ = both
    told = json.loads((ROOT / "launchers" / "iam" / "launcher.json").read_text())
    granted = {
        right
        for one in told["Statement"]
        for right in ([one["Action"]] if isinstance(one["Action"], str) else one["Action"])
    }
    asked = {(one["service"], one["operation"]) for one in lab.emulator().requests()}
    # The rehearsal's own, which makes its bucket.
    asked -= {("s3", "ListBuckets"), ("s3", "CreateBucket"), ("", "")}
    wanted = {f"s3:{OF_S3[name]}" if service == "s3" else f"{service}:{name}" for service, name in asked}
    assert {"sagemaker:CreateTrainingJob", "sagemaker:BatchPutMetrics", "logs:GetLogEvents"} <= wanted
    assert wanted <= granted
    for one in lab.emulator().requests():
        told = one["parameters"]
        if one["service"] == "s3" and one["operation"] in OF_S3:
            # As the resources and the condition of the rights have it.
            assert str(told.get("Key") or told.get("Prefix")).startswith("battery_lab/"), one
        if one["operation"].endswith("TrainingJob"):
            assert told["TrainingJobName"].startswith("battery-lab-"), one


@pytest.mark.slow
def test_a_spot_job_of_the_lab_goes_on_from_a_whole_checkpoint(tmp_path):
    lab = Lab(tmp_path, "seed=0")
    spot = ("hydra.launcher.spot=true", "hydra.launcher.max_wait_s=20000", *LONG)
    try:
        process, folder = lab.start("jobs", *JOBS, *spot)
        until(lambda: (folder / "0" / "curves.jsonl").exists(), seconds=120)
        until(lambda: len(curves(folder / "0")) > 8, seconds=120)
        (name, _) = json.loads((folder / "remote.json").read_text())["jobs"]["0"]
        lab.emulator().interrupt(name)
        said, _ = process.communicate(timeout=300)
        assert process.returncode == 0, said
        here = lab.sweep("here", "tracking=none", *HERE, *LONG)
    finally:
        lab.close()
    log = (folder / "0" / "trial.log").read_text()
    assert log.count("--- ") == 2, log
    assert figures(folder / "0") == figures(here / "0")
    assert curves(folder / "0") == curves(here / "0")


@pytest.mark.slow
def test_a_killed_launcher_of_the_lab_adopts_its_jobs(tmp_path):
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
    assert min(figures(trial)["train/env_steps"] for trial in trials(folder)) >= 65_536


@pytest.mark.slow
def test_a_stopped_job_of_the_lab_has_saved_where_it_was(tmp_path):
    lab = Lab(tmp_path, "seed=0")
    rare = ("train.env_steps=1e8", "train.checkpoint_every=1e8", "train.validate_every=1e8", "rollout.compile=false")
    try:
        process, folder = lab.start("jobs", *JOBS, *rare)
        until(lambda: (folder / "0" / "curves.jsonl").exists() and len(curves(folder / "0")) > 2, seconds=120)
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=180)
        assert process.returncode == 128 + signal.SIGINT
        remote = json.loads((folder / "remote.json").read_text())
        told = lab.emulator().client("s3").list_objects_v2(Bucket=remote["bucket"], Prefix=remote["prefix"])
    finally:
        lab.close()
    assert any("/checkpoints/0" in one["Key"] and one["Key"].endswith("state.json") for one in told["Contents"])


@pytest.mark.slow
def test_a_run_trains_on_as_a_job(tmp_path):
    lab = Lab(tmp_path, "seed=0")
    try:
        run = lab.sweep("here", "tracking=none", *HERE) / "0"
        lab.swept, lab.choices = (), [f"rerun={run}", "train.env_steps=8192"]
        further = lab.sweep("further", *JOBS, f"hydra.launcher.checkpoint={run}") / "0"
        # And on from where that one has left its own, which is nowhere but in S3.
        (name, _) = json.loads((further.parent / "remote.json").read_text())["jobs"]["0"]
        told = lab.emulator().client("sagemaker").describe_training_job(TrainingJobName=name)
        place = told["CheckpointConfig"]["S3Uri"].rstrip("/") + "/0"
        lab.choices = [f"rerun={run}", "train.env_steps=12288"]
        last = lab.sweep("last", *JOBS, f"hydra.launcher.checkpoint={place}") / "0"
    finally:
        lab.close()
    for before, after, steps in ((run, further, 8192), (further, last, 12_288)):
        begun, end = curves(before)[:-1], curves(after)
        assert begun and end[: len(begun)] == begun
        assert figures(after)["train/env_steps"] >= steps > figures(before)["train/env_steps"]
