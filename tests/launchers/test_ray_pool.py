"""Ray launcher: trials as tasks of a cluster, which may lose a node."""

from __future__ import annotations

import os
import signal

import pytest
from hydra_plugins.battery_lab_launchers._ray_pool import RayOptions
from ray.cluster_utils import Cluster

from battery_lab.common.errors import ConfigError
from tests.launchers.kill_harness import TRIALS, Sweep
from tests.launchers.stub_hydra_app import RAY, App, is_gone, until


@pytest.fixture
def app(tmp_path):
    return App(tmp_path, RAY)


@pytest.fixture
def cluster():
    """A cluster of two nodes on this machine with one CPU each. The second node can be removed."""
    # Launchers inherit this process's environment, and with it the cluster's token.
    made = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    made.second = made.add_node(num_cpus=1)
    yield made
    made.shutdown()


@pytest.mark.walk
def test_trials_run_on_a_local_cluster(app):
    status, output = app.run("does=nothing,raise", "number=2")
    assert status == 1, output
    assert sorted(app.outcomes()) == [(0, "done", 1.0), (1, "failed", "ValueError: no such thing")]
    assert (app.trial(0) / "trial.log").read_text() == "attempt 1\n"
    assert "Traceback" in (app.trial(1) / "trial.log").read_text()
    assert len({*app.processes(0), *app.processes(1)}) == 2
    assert "1 of 2 trials failed: trial 1 (does=raise): ValueError: no such thing" in output


@pytest.mark.slow
def test_a_signal_stops_trials_on_the_cluster(app):
    launcher = app.start("does=wait")
    until(lambda: app.processes(0))
    launcher.send_signal(signal.SIGINT)
    output, _ = launcher.communicate(timeout=60)
    assert app.outcomes() == [(0, "stopped", None)]
    assert "stopped by SIGINT; resume with" in output
    until(lambda: is_gone(app.processes(0)[0]))


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ({"cpus": 0}, "hydra.launcher.cpus must be 1 or more, got 0"),
        ({"gpus": -1}, "hydra.launcher.gpus must be 0 or more, got -1"),
    ],
)
def test_invalid_options(option, message):
    with pytest.raises(ConfigError, match=message):
        RayOptions(**{"address": "local", "cpus": 1, "gpus": 0} | option)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("cpus=999", "a trial's own process needs 999 CPUs, but the largest node of the cluster has"),
        (
            "address=127.0.0.1:9",
            "hydra.launcher.address=127.0.0.1:9 must be the head of a Ray cluster that this machine can reach: [Errno",
        ),
    ],
)
def test_unavailable_resources_are_errors(app, option, message):
    status, output = app.run(f"hydra.launcher.{option}")
    assert status == 1 and message in output, output


@pytest.mark.slow
def test_a_trial_whose_process_is_killed_fails(app):
    launcher = app.start("does=wait")
    until(lambda: app.processes(0))
    os.kill(app.processes(0)[0], signal.SIGKILL)
    output, _ = launcher.communicate(timeout=120)
    assert launcher.returncode == 1, output
    assert app.outcomes() == [(0, "failed", "its process was killed, possibly because it was out of memory")]


@pytest.mark.slow
def test_trials_with_runner_actors_do_not_deadlock(tmp_path):
    # Each trial needs two CPUs. If the trials' own processes filled a machine of two, no env runner could start.
    sweep = Sweep(tmp_path, launcher=["launcher=ray", "algo.num_env_runners=1"])
    assert sweep.start().wait(500) == 0, (tmp_path / "output.txt").read_text()
    assert len(list(sweep.folder.glob("*/metrics.json"))) == TRIALS


@pytest.mark.slow
def test_trials_of_a_lost_node_run_on_another_node(app, cluster):
    launcher = app.start(f"hydra.launcher.address={cluster.address}", "does=nodes", "number=1,2,3,4")
    until(lambda: len(list((app.home / "sweep").glob("*/node"))) == 2, seconds=180)
    lost = cluster.second.node_id
    nodes = {path.parent.name: path.read_text() for path in (app.home / "sweep").glob("*/node")}
    assert lost in nodes.values()
    cluster.remove_node(cluster.second, allow_graceful=False)
    output, _ = launcher.communicate(timeout=300)
    assert launcher.returncode == 0, output
    outcomes = app.outcomes()
    assert sorted(number for number, state, _ in outcomes if state == "done") == [0, 1, 2, 3]
    (failed,) = [number for number, state, _ in outcomes if state == "failed"]
    assert nodes[str(failed)] == lost and "its node was lost" in output
    assert (app.trial(failed) / "node").read_text() != lost
