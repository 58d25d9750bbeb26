"""An estimator of the SageMaker SDK runs its job on the emulator."""

from __future__ import annotations

import json

from tests.sagemaker_emulator.stub_jobs import BUCKET, ENTRY, IMAGE, METRICS, ROLE


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
