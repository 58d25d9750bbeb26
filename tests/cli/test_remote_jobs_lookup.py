"""Remote jobs of a sweep: the launcher plugin that submitted them is found through Hydra."""

from __future__ import annotations

import pytest

from battery_lab.cli.remote_jobs_lookup import find_remote_jobs


def test_a_sweep_on_this_machine_has_no_remote_jobs(tmp_path):
    assert find_remote_jobs(tmp_path) is None


@pytest.mark.parametrize("text", ["{}", '{"reader": "hydra_plugins.battery_lab_launchers._collecting"}'])
def test_sagemaker_jobs_are_found_also_in_sweeps_of_earlier_versions(tmp_path, text):
    (tmp_path / "remote.json").write_text(text)
    assert_sagemaker_jobs(tmp_path)


def test_jobs_of_another_service_are_not_taken_for_sagemaker_jobs(tmp_path):
    (tmp_path / "remote.json").write_text('{"service": "another", "jobs": {}}')
    assert find_remote_jobs(tmp_path) is None


@pytest.mark.parametrize("text", ["{", '{"service": "sagemaker"}'])
def test_sagemaker_jobs_are_found_by_their_record_also_if_it_is_damaged(tmp_path, text):
    (tmp_path / "remote.json").write_text(text)
    assert_sagemaker_jobs(tmp_path)


def assert_sagemaker_jobs(folder):
    remote = find_remote_jobs(folder)
    assert callable(remote.collect) and callable(remote.logs)
    assert remote.__name__ == "hydra_plugins.battery_lab_launchers._sagemaker_collect_and_logs"
