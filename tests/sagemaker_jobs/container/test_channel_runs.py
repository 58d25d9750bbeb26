"""Runs in channels: what is copied of a run to resume, and the error for a run without a checkpoint."""

from __future__ import annotations

import pytest
from sagemaker_jobs.container.channel_runs import copy_continued_run

from battery_lab.common.errors import DataError


def test_a_continued_run_is_copied_without_its_identity_in_a_store_of_trials(tmp_path):
    run, folder = tmp_path / "run", tmp_path / "folder"
    folder.mkdir()
    checkpoint = run / "checkpoints" / "000000000512"
    checkpoint.mkdir(parents=True)
    (checkpoint / "state.json").write_text("{}")
    for name in ("curves.jsonl", "mlflow.json", "metrics.json", "policy/policy.json"):
        (run / name).parent.mkdir(exist_ok=True)
        (run / name).write_text("{}")
    copy_continued_run(run, folder)
    assert sorted(path.name for path in folder.iterdir()) == ["checkpoints", "curves.jsonl", "policy"]


def test_a_run_without_a_checkpoint_cannot_be_continued(tmp_path):
    with pytest.raises(DataError, match="the run in the channel checkpoint has no checkpoint to resume from"):
        copy_continued_run(tmp_path, tmp_path)
