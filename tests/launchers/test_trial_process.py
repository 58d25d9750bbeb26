"""Processes of local trials: their environment variables, their outcome, and the files of the pool that starts them."""

from __future__ import annotations

import os
import sys

import pytest
from hydra import compose, initialize_config_dir
from hydra._internal.callbacks import Callbacks
from hydra.core.singleton import Singleton
from hydra.types import HydraContext
from hydra_plugins.battery_lab_launchers._local_pool import LocalOptions, LocalPool
from hydra_plugins.battery_lab_launchers._template_process import PROCESS_NAME
from hydra_plugins.battery_lab_launchers._trial_job import TrialJob

from battery_lab.sweep.journal import TrialState
from battery_lab.sweep.lab_version import lab_source_digest
from tests.launchers.stub_hydra_app import children

pytestmark = [pytest.mark.walk, pytest.mark.skipif(sys.platform != "linux", reason="Linux only")]


def backend(config):
    from pathlib import Path

    import matplotlib

    return dict.__getitem__(matplotlib.rcParams, "backend"), Path("/proc/self/comm").read_text().strip()


# A trial of the lab, for whose imports there is a template.
backend.__module__ = "battery_lab.cli.run_trial"


@pytest.fixture
def pool():
    pool = LocalPool(LocalOptions(parallel=1, cores=1))
    yield pool
    pool.close()


def job(folder, *overrides, task=backend, source=None):
    (folder / "config.yaml").write_text("{}")
    places = [f"hydra.sweep.dir={folder}", "hydra.sweep.subdir=trial", "hydra.job.num=0", "hydra.job.name=trial"]
    places += [f"hydra.runtime.output_dir={folder}", "hydra.job.override_dirname=''", "hydra.job.id='0'"]
    with initialize_config_dir(str(folder), version_base="1.3"):
        config = compose("config", [*places, *overrides], return_hydra_config=True)
        singletons = Singleton.get_state()
    source = source or lab_source_digest()
    context = HydraContext(config_loader=None, callbacks=Callbacks())
    digests = {"identity": "", "source": source, "counts_as": source}
    return TrialJob(config=config, task=task, context=context, singletons=singletons, **digests)


def outcome_of(pool):
    while True:
        for outcome in pool.wait(60):
            return outcome


def test_environment_variables_of_a_trial_are_set_before_its_imports(pool, tmp_path):
    results = []
    for overrides in ([], ["+hydra.job.env_set.MPLBACKEND=pdf"]):
        pool.start(0, tmp_path / "trial", job(tmp_path, *overrides))
        outcome = outcome_of(pool)
        assert outcome.state == TrialState.DONE, (outcome, (tmp_path / "trial" / "trial.log").read_text())
        results.append(outcome.result)
    (without, forked), (pdf, fresh) = results
    assert without != "pdf" and forked == PROCESS_NAME
    assert pdf == "pdf" and fresh != PROCESS_NAME


def test_an_outcome_counts_if_something_else_has_waited_for_the_trial(pool, tmp_path):
    pool.start(0, tmp_path / "trial", job(tmp_path, task=print, source="another"))
    template = children(os.getpid())
    while len(both := children(os.getpid())) == 1:
        assert not list(pool.wait(1))
    (trial,) = {*both} - {*template}
    os.waitpid(trial, 0)
    outcome = outcome_of(pool)
    assert outcome.state == TrialState.FAILED
    assert "has another version of the lab or its packages than the launcher" in outcome.reason


def test_a_pool_that_is_closed_ends_its_trials_and_closes_its_files(tmp_path):
    files = len(os.listdir("/proc/self/fd"))
    pool = LocalPool(LocalOptions(parallel=1, cores=1))
    pool.start(0, tmp_path / "trial", job(tmp_path, "+hydra.job.env_set.MPLBACKEND=pdf"))
    assert children(os.getpid())
    pool.close()
    pool.close()  # A second signal does so.
    assert not children(os.getpid()) and not pool.is_busy
    assert len(os.listdir("/proc/self/fd")) == files
