"""Experiments upload: parameters within the limits of a run."""

from __future__ import annotations

from sagemaker_jobs.collect.experiments_upload import run_parameters


def test_parameters_beyond_the_limit_of_experiments_are_reported(tmp_path, capsys):
    for count in (300, 301):
        (tmp_path / "trial.yaml").write_text("".join(f"p{n}: {n}\n" for n in range(count)))
        held = run_parameters("trial-0", tmp_path)
        assert len(held) == 300 and held["p7"] == "7"
    output = capsys.readouterr().err
    assert output == "trial-0 has 301 parameters; Experiments hold 300 of them, trial.yaml has all\n"
