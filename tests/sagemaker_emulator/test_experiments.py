"""Experiments: runs of the SageMaker SDK and their analytics, unique names, and the trial components of jobs."""

from __future__ import annotations

import pytest


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
