"""`battery-lab sync`: sends unsent results once, and names errors."""

from __future__ import annotations

from pathlib import Path

import pytest

from battery_lab.cli.main import main
from battery_lab.tracking import NoTracking, RunLog
from tests.tracking.tracked_runs_and_stores import Run, client, points, stored, tracker


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """Run the command, which must fail; return its error message, one line."""
    with pytest.raises(SystemExit) as ended:
        main(["sync", *arguments])
    assert ended.value.code not in (0, None)
    output = capsys.readouterr().err + (str(ended.value.code) if isinstance(ended.value.code, str) else "")
    assert output.startswith("error: ")
    assert len(output.splitlines()) == 1
    return output


def test_unsent_results_arrive_later_and_only_once(outputs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (outputs / "store").touch()
    uri = f"sqlite:///{outputs}/store/mlflow.db"
    run = Run(outputs / "run", tracker(outputs, uri=uri))
    run.store_trial()
    tracking = run.train(range(6))
    run.evaluate(**{"test/capture": 0.5, "train/env_steps": 5.0})
    tracking.finish("FINISHED")
    assert f"battery-lab sync run={run.folder}" in capsys.readouterr().err
    assert "could not be sent" in refused(capsys, f"run={run.folder}")
    (outputs / "store").unlink()
    (outputs / "store").mkdir()
    (outputs / "mlflow.db").rename(outputs / "store" / "mlflow.db")
    main(["sync", f"run={run.folder}"])
    assert "14 new points" in capsys.readouterr().out
    main(["sync", f"run={run.folder}"])
    assert " 0 new points" in capsys.readouterr().out
    (outputs / "store" / "mlflow.db").rename(outputs / "mlflow.db")
    assert points(run.folder)["train/reward"] == [(step, float(step)) for step in range(6)]
    found = stored(run.folder)
    assert (found.info.status, found.data.metrics["test/capture"]) == ("FINISHED", 0.5)
    assert found.data.params["algo.lr"] == "0.0003"
    assert {file.path for file in client(outputs).list_artifacts(found.info.run_id)} >= {"report.html", "policy"}
    assert len(client(outputs).search_runs([found.info.experiment_id])) == 1


def test_killed_run_is_sent_from_another_directory_to_its_store(outputs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = Run(outputs / "run", tracker(Path("outputs")))
    run.store_trial()
    run.train(range(3)).finish("KILLED")
    log = RunLog(run.folder)
    log.log({"train/reward": 3.0}, 3)
    log.close()
    (outputs / "elsewhere").mkdir()
    monkeypatch.chdir(outputs / "elsewhere")
    main(["sync", "run=../run"])
    assert points(run.folder)["train/reward"] == [(step, float(step)) for step in range(4)]
    assert stored(run.folder).info.status == "KILLED"
    assert list((outputs / "elsewhere").iterdir()) == []


def test_run_without_tracking_goes_to_the_default_store(outputs: Path) -> None:
    run = Run(outputs / "run", tracker(outputs))
    run.tracking = NoTracking()  # type: ignore[assignment]
    run.train(range(3)).finish("FINISHED")
    (run.folder / "trial.yaml").write_text(
        "seed: 0\noutputs: outputs\ntracking:\n  _target_: battery_lab.tracking.NoTracking\n"
    )
    main(["sync", f"run={run.folder}"])
    assert len(points(run.folder)["train/reward"]) == 3
    artifacts = stored(run.folder).info.artifact_uri.removeprefix("file://")
    assert Path(artifacts).is_relative_to(outputs / "mlartifacts")


def test_error_in_one_run_does_not_stop_the_others(outputs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = Run(outputs / "run", tracker(outputs))
    run.store_trial()
    run.train(range(3)).finish("FINISHED")
    output = refused(capsys, f"run={outputs / 'none'}", f"run={run.folder}", "tracking.experiment=other")
    assert f"run={outputs / 'none'} must name a run folder" in output
    experiment = client(outputs).get_experiment(stored(run.folder).info.experiment_id)
    assert experiment.name == "other"
    assert len(points(run.folder)["train/reward"]) == 3


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("trial.yaml", "tracking: ["),
        ("trial.yaml", None),
        ("mlflow.json", "{"),
        ("mlflow.json", "[]"),
        ("mlflow.json", '{"key": "k", "stores": {"sqlite:///x": "y"}}'),
        ("mlflow.json", None),
    ],
)
def test_damaged_run_is_reported_in_one_line_and_the_others_sent(
    outputs: Path, capsys: pytest.CaptureFixture[str], file: str, text: str | None
) -> None:
    broken, run = (Run(outputs / name, tracker(outputs)) for name in ("broken", "run"))
    for each in (broken, run):
        each.store_trial()
        each.train(range(3)).finish("FINISHED")
    (broken.folder / file).unlink()
    if text is None:
        (broken.folder / file).mkdir()
    else:
        (broken.folder / file).write_text(text)
    with pytest.raises(SystemExit) as ended:
        main(["sync", f"run={broken.folder}", f"run={run.folder}"])
    output = capsys.readouterr()
    assert ended.value.code == 1
    assert output.err.startswith("error: ")
    assert len(output.err.splitlines()) == 1
    assert str(broken.folder) in output.err
    assert file in output.err
    assert output.out.startswith(f"{run.folder}: 0 new points sent")


def test_invalid_arguments_are_named(
    outputs: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    (outputs / "empty").mkdir()
    assert "trial.yaml" in refused(capsys, f"run={outputs / 'empty'}")
    assert "run=<folder>" in refused(capsys, "tracking.experiment=other")
    assert "'tracking.urn=x' must be one of run=..." in refused(capsys, "tracking.urn=x", "run=a")
    run = Run(outputs / "run", tracker(outputs))
    run.store_trial()
    assert "tracking.uri must be" in refused(capsys, f"run={run.folder}", "tracking.uri=host:5000")
    server = refused(capsys, f"run={run.folder}", "tracking.uri=http://127.0.0.1:1")
    assert "could not be sent to MLflow at http://127.0.0.1:1" in server


def test_help_shows_examples(capsys: pytest.CaptureFixture[str]) -> None:
    main(["sync", "--help"])
    assert "battery-lab sync run=outputs/runs/<run>" in capsys.readouterr().out
