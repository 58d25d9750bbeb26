"""The Ray launcher: trials as tasks of a cluster, which may lose a node."""

from __future__ import annotations

import os
import signal

import pytest
from ray.cluster_utils import Cluster

from tests.launchers.app import App, gone, until
from tests.launchers.kills import TRIALS, Sweep

RAY = "hydra/launcher=battery_lab_ray"


@pytest.fixture
def app(tmp_path):
    return App(tmp_path)


@pytest.fixture
def cluster():
    """A cluster of two nodes on this machine, of a CPU each: its head, and one that can be lost."""
    # The launchers that join it must know its token, and this process's environment is theirs.
    made = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    made.second = made.add_node(num_cpus=1)
    yield made
    made.shutdown()


def test_trials_run_on_a_cluster_of_their_own(app):
    status, said = app.run(RAY, "does=well,raise", "number=2")
    assert status == 1, said
    assert sorted(app.ends()) == [(0, "done", 1.0), (1, "failed", "ValueError: no such thing")]
    assert (app.trial(0) / "trial.log").read_text() == "try 1\n"
    assert "Traceback" in (app.trial(1) / "trial.log").read_text()
    assert len({*app.processes(0), *app.processes(1)}) == 2
    assert "1 of 2 trials failed: trial 1 (does=raise): ValueError: no such thing" in said


@pytest.mark.slow
def test_a_stop_ends_trials_on_the_cluster(app):
    launcher = app.start(RAY, "does=wait")
    until(lambda: app.processes(0))
    launcher.send_signal(signal.SIGINT)
    said, _ = launcher.communicate(timeout=60)
    assert app.ends() == [(0, "stopped", None)]
    assert "stopped by SIGINT; resume with" in said
    until(lambda: gone(app.processes(0)[0]))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["cpus=999"], "a trial's own process takes 999 CPUs, and the largest node of the cluster has"),
        (["cpus=0"], "hydra.launcher.cpus must be a number from 1, got 0"),
        (["gpus=-1"], "hydra.launcher.gpus must be a number from 0, got -1"),
        (
            ["address=127.0.0.1:9"],
            "hydra.launcher.address=127.0.0.1:9 must be the head of a Ray cluster that this machine can reach: [Errno",
        ),
    ],
)
def test_what_a_cluster_cannot_do_is_told(app, options, message):
    status, said = app.run(RAY, *(f"hydra.launcher.{option}" for option in options))
    assert status == 1 and message in said, said


@pytest.mark.slow
def test_a_trial_whose_process_is_killed_has_failed(app):
    launcher = app.start(RAY, "does=wait")
    until(lambda: app.processes(0))
    os.kill(app.processes(0)[0], signal.SIGKILL)
    said, _ = launcher.communicate(timeout=120)
    assert launcher.returncode == 1, said
    assert app.ends() == [(0, "failed", "its process was killed, which may have been for memory")]


@pytest.mark.slow
def test_trials_whose_runners_are_actors_do_not_wait_for_one_another(tmp_path):
    # Each takes two CPUs; on a machine of two, drivers alone would fill it, and their runners have no place for ever.
    sweep = Sweep(tmp_path, launcher=["launcher=ray", "algo.num_env_runners=1"])
    assert sweep.start().wait(500) == 0, (tmp_path / "said").read_text()
    assert len(list(sweep.folder.glob("*/metrics.json"))) == TRIALS


@pytest.mark.slow
def test_trials_of_a_lost_node_run_elsewhere(app, cluster):
    launcher = app.start(RAY, f"hydra.launcher.address={cluster.address}", "does=nodes", "number=1,2,3,4")
    until(lambda: len(list((app.home / "sweep").glob("*/node"))) == 2, seconds=180)
    lost = cluster.second.node_id
    places = {path.parent.name: path.read_text() for path in (app.home / "sweep").glob("*/node")}
    assert lost in places.values()
    cluster.remove_node(cluster.second, allow_graceful=False)
    said, _ = launcher.communicate(timeout=300)
    assert launcher.returncode == 0, said
    ends = app.ends()
    assert sorted(number for number, state, _ in ends if state == "done") == [0, 1, 2, 3]
    (again,) = [number for number, state, _ in ends if state == "failed"]
    assert places[str(again)] == lost and "its node was lost" in said
    assert (app.trial(again) / "node").read_text() != lost
