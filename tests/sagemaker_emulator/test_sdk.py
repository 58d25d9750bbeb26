"""The SageMaker SDK with the emulator: an estimator, runs of experiments and their analytics."""

from __future__ import annotations

import json
import socket
import sys
import time
import types

import pytest

from tests.sagemaker_emulator.stub_jobs import BUCKET, ENTRY, IMAGE, METRICS, ROLE


@pytest.fixture
def loopback_only(monkeypatch):
    """Allow connections to this machine only, and fail the test if others were tried."""
    connect, tried = socket.socket.connect, []

    def guarded(self, address):
        if self.family != socket.AF_UNIX and not address[0].startswith("127."):
            tried.append(address)
            raise OSError(f"a test would reach {address}")
        return connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", guarded)
    yield
    assert not tried


@pytest.fixture
def session(lab, monkeypatch, tmp_path, loopback_only):
    """A session of the SDK with the emulator, without settings of the user."""
    for name, value in lab.emulator.environment.items():
        monkeypatch.setenv(name, value)
    for name in ("SAGEMAKER_ADMIN_CONFIG_OVERRIDE", "SAGEMAKER_USER_CONFIG_OVERRIDE"):
        path = tmp_path / f"{name}.yaml"
        path.write_text("SchemaVersion: '1.0'\nSageMaker: {PythonSDK: {Modules: {TelemetryOptOut: true}}}\n")
        monkeypatch.setenv(name, str(path))
    hook = sys.excepthook
    sagemaker = pytest.importorskip("sagemaker")
    sys.excepthook = hook  # importing the SDK replaces it
    # The SDK sleeps 5 s before its first request in attach and before it prints logs.
    without_sleep = types.ModuleType("time")
    vars(without_sleep).update(vars(time) | {"sleep": lambda _: time.sleep(0.05)})
    monkeypatch.setattr("sagemaker.session.time", without_sleep)
    return sagemaker.Session(boto_session=lab.emulator.session, default_bucket=BUCKET)


def test_an_estimator_can_be_fitted_and_attached(lab, session, tmp_path, capsys):
    from sagemaker.rl import RLEstimator

    (tmp_path / "entry.py").write_text(ENTRY)
    estimator = RLEstimator(
        entry_point="entry.py",
        source_dir=str(tmp_path),
        image_uri=IMAGE,
        role=ROLE,
        instance_type="ml.c5.xlarge",
        instance_count=1,
        metric_definitions=METRICS,
        hyperparameters={"does": "well", "alpha": 0.25},
        environment={"LAB_COLOUR": "red"},
        output_path=f"s3://{BUCKET}/fitted",
        max_run=60,
        use_spot_instances=True,
        max_wait=60,
        checkpoint_s3_uri=f"s3://{BUCKET}/fitted-checkpoints",
        sagemaker_session=session,
    )
    estimator.fit(wait=False)
    name = estimator.latest_training_job.name
    lab.finished(name)
    attached = RLEstimator.attach(name, sagemaker_session=session)
    assert attached.latest_training_job.name == name and attached.hyperparameters()["alpha"] == "0.25"
    session.logs_for_job(name, wait=False)
    output = capsys.readouterr().out
    assert "capture=0.75" in output
    assert estimator.model_data == f"s3://{BUCKET}/fitted/{name}/output/model.tar.gz"
    seen = json.loads(lab.unpacked(f"fitted/{name}/output/model.tar.gz")["seen.json"])
    assert seen["hyperparameters"] == {"does": "well", "alpha": 0.25}
    frame = estimator.training_job_analytics.dataframe()
    assert "capture" in set(frame["metric_name"])


def test_runs_hold_parameters_metrics_and_files_and_are_sorted_by_one_search(lab, session, tmp_path):
    from sagemaker.analytics import ExperimentAnalytics
    from sagemaker.experiments import Run, load_run

    (tmp_path / "report.html").write_text("<p>a report</p>")
    for name, captures in (("low", [0.1, 0.2]), ("high", [0.9, 0.3]), ("middle", [0.5])):
        with Run(experiment_name="dispatch", run_name=name, sagemaker_session=session) as run:
            run.log_parameter("gamma", 0.99)
            run.log_parameters({"algo": name})
            for step, capture in enumerate(captures):
                run.log_metric("capture", capture, step=step * 10)
            run.log_metric("profit/day", 5.0)
            run.log_metric("profit/day", 7.0)
            run.log_file(str(tmp_path / "report.html"), name="report", is_output=True)
    before = len(lab.emulator.requests("Search"))
    frame = ExperimentAnalytics(
        experiment_name="dispatch", sort_by="metrics.capture.max", sagemaker_session=session
    ).dataframe()
    assert len(lab.emulator.requests("Search")) == before + 1
    assert list(frame["algo"]) == ["high", "middle", "low"]
    assert list(frame["capture - Max"]) == [0.9, 0.5, 0.2] and list(frame["capture - Last"]) == [0.3, 0.5, 0.2]
    assert list(frame["capture - Count"]) == [2, 1, 2] and list(frame["gamma"]) == [0.99] * 3
    assert list(frame["profit/day - Last"]) == [7.0] * 3
    assert list(frame["Experiments"]) == [["dispatch"]] * 3
    upward = {"sort_by": "Metrics.capture.Last", "sort_order": "Ascending"}
    frame = ExperimentAnalytics(experiment_name="dispatch", **upward, sagemaker_session=session).dataframe()
    assert list(frame["algo"]) == ["low", "high", "middle"]
    with load_run(experiment_name="dispatch", run_name="low", sagemaker_session=session) as run:
        run.log_metric("capture", 0.7, step=20)
    _check_values(lab)


def test_a_job_loads_the_run_that_started_it(lab, session, monkeypatch):
    from sagemaker.experiments import Run, load_run

    with Run(experiment_name="fits", run_name="one", sagemaker_session=session) as run:
        config = run.experiment_config
    name = lab.start(lab.waiting(ExperimentConfig=config))
    # As in the environment of the job.
    monkeypatch.setenv("TRAINING_JOB_ARN", lab.describe(name)["TrainingJobArn"])
    with load_run(sagemaker_session=session) as run:
        assert (run.experiment_name, run.run_name) == ("fits", "one")
        run.log_parameter("inside", 1)
    lab.stop(name)
    found = lab.sagemaker.list_trial_components(ExperimentName="fits", SortBy="Name", SortOrder="Ascending")
    assert [each["TrialComponentName"] for each in found["TrialComponentSummaries"]] == [
        "fits-one",
        f"{name}-aws-training-job",
    ]
    source = {"SourceArn": lab.describe(name)["TrainingJobArn"], "SourceType": "SageMakerTrainingJob"}
    assert found["TrialComponentSummaries"][1]["TrialComponentSource"] == source


def _check_values(lab):
    """Check that values can be read, by step and by statistics over time."""
    filters = [{"Name": "Parameters.algo", "Operator": "Equals", "Value": "low"}]
    found = lab.sagemaker.search(Resource="ExperimentTrialComponent", SearchExpression={"Filters": filters})["Results"]
    arn = found[0]["TrialComponent"]["TrialComponentArn"]
    assert found[0]["TrialComponent"]["Status"]["PrimaryStatus"] == "Completed"
    metrics = lab.emulator.client("sagemaker-metrics")
    query = {"MetricName": "capture", "ResourceArn": arn, "MetricStat": "Last"}
    steps = query | {"Period": "IterationNumber", "XAxisType": "IterationNumber"}
    hours = query | {"Period": "OneHour", "XAxisType": "Timestamp", "MetricStat": "Max"}
    by_step, by_hour, none = metrics.batch_get_metrics(
        MetricQueries=[steps, hours, steps | {"ResourceArn": arn.replace("low", "nobody")}]
    )["MetricQueryResults"]
    assert (by_step["XAxisValues"], by_step["MetricValues"]) == ([0, 10, 20], [0.1, 0.2, 0.7])
    assert max(by_hour["MetricValues"]) == 0.7 and by_hour["XAxisValues"][0] % 3600 == 0
    assert none["Status"] == "ValidationError"


def test_names_of_experiments_are_unique(lab):
    lab.sagemaker.create_experiment(ExperimentName="once")
    with pytest.raises(lab.sagemaker.exceptions.ClientError, match=r"Experiment with name \(once\) already exists"):
        lab.sagemaker.create_experiment(ExperimentName="once")
    lab.sagemaker.create_trial(TrialName="once-trial", ExperimentName="once")
    with pytest.raises(lab.sagemaker.exceptions.ClientError, match="already exists"):
        lab.sagemaker.create_trial(TrialName="once-trial", ExperimentName="once")
    tags = [{"Key": "of", "Value": "a test"}]
    made = lab.sagemaker.create_trial_component(TrialComponentName="once-part", DisplayName="Part", Tags=tags)
    assert lab.sagemaker.list_tags(ResourceArn=made["TrialComponentArn"])["Tags"] == tags
    assert lab.sagemaker.describe_trial_component(TrialComponentName="once-part")["DisplayName"] == "Part"
    with pytest.raises(lab.sagemaker.exceptions.ClientError, match="already exists"):
        lab.sagemaker.create_trial_component(TrialComponentName="once-part")
    with pytest.raises(lab.sagemaker.exceptions.ResourceNotFound):
        lab.sagemaker.create_trial(TrialName="lost", ExperimentName="nobodys")


def test_a_job_of_an_experiment_has_a_trial_component(lab):
    lab.sagemaker.create_experiment(ExperimentName="jobs")
    lab.sagemaker.create_trial(TrialName="jobs-trial", ExperimentName="jobs")
    config = {"ExperimentName": "jobs", "TrialName": "jobs-trial", "TrialComponentDisplayName": "A-job"}
    request = lab.request(ExperimentConfig=config)
    request["HyperParameters"]["alpha"] = "0.5"
    job = lab.finished(lab.start(request))
    assert job["ExperimentConfig"] == config
    made = lab.sagemaker.describe_trial_component(TrialComponentName=f"{job['TrainingJobName']}-aws-training-job")
    assert made["DisplayName"] == "A-job" and made["Status"]["PrimaryStatus"] == "Completed"
    assert made["Source"]["SourceArn"] == job["TrainingJobArn"]
    assert made["Parameters"]["alpha"] == {"NumberValue": 0.5} and made["Parameters"]["does"] == {"StringValue": "well"}
    assert made["Parameters"]["SageMaker.InstanceType"] == {"StringValue": "ml.c5.xlarge"}
    assert [(each["MetricName"], each["Max"], each["Last"], each["Count"]) for each in made["Metrics"]] == [
        ("capture", 0.75, 0.75, 3)
    ]
    filters = [{"Name": "Parents.TrialName", "Operator": "Equals", "Value": "jobs-trial"}]
    found = lab.sagemaker.search(Resource="ExperimentTrialComponent", SearchExpression={"Filters": filters})["Results"]
    assert [each["TrialComponent"]["TrialComponentName"] for each in found] == [made["TrialComponentName"]]
