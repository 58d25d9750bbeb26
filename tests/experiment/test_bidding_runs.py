"""Runs that bid: bid curves stopped and resumed to the bit, evaluated, exported, without Ray; and other algorithms."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from battery_lab.cli.commands import evaluate, export
from battery_lab.experiment import checkpoint, final_evaluation
from battery_lab.experiment.trainer import Interrupted
from battery_lab.serving.artifact import Artifact
from tests.algos.conftest import RLLIB
from tests.cli.typed_commands import tiny
from tests.compositions import part, small
from tests.experiment.run_interruption_and_comparison import same_result, stop_at
from tests.experiment.small_runs import run

pytestmark = pytest.mark.usefixtures("no_report")

BIDS = ("env.actions=bids", "algo.num_workers=2")


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """An uninterrupted run of bids, without its report."""
    folder = tmp_path_factory.mktemp("runs") / "bids"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(final_evaluation, "write_results_page", lambda *_, **__: None)
        return folder, run(folder, "bid_curves", *BIDS)


def test_a_run_folder_holds_the_results_of_bids(finished):
    folder, metrics = finished
    assert metrics["train/env_steps"] >= 2048
    assert metrics["test/capture"] < metrics["baseline/perfect_foresight/capture"] == 1
    kept = {path.name for path in checkpoint.latest(folder / "checkpoints")[0].iterdir()}
    assert kept == {"state.json", "kept_policy", "learner.safetensors", "learner.json"}
    buys, sells = check_bids(folder, "bid_curves")
    assert buys.any() and sells.any()
    curves = [json.loads(line) for line in (folder / "curves.jsonl").read_text().splitlines()]
    assert any("validation/capture" in line for line in curves)
    assert all(line["env_steps"] <= metrics["train/env_steps"] for line in curves)


def check_bids(folder, algo):
    """Check that requests follow from bids, offers and prices; return where the battery buys and where it sells."""
    frame = pd.read_parquet(folder / "dispatch.parquet")
    assert set(frame.policy) == {algo}
    buys, sells = frame.price < frame.bid_per_mwh, frame.price > frame.offer_per_mwh
    assert (frame.bid_per_mwh <= frame.offer_per_mwh).all()
    np.testing.assert_array_equal(frame.request_mw, np.where(buys, -10.0, np.where(sells, 10.0, 0.0)))
    return buys, sells


@pytest.mark.walk
@pytest.mark.parametrize("algo", RLLIB)
def test_algorithms_on_rllib_learn_to_bid_too(tmp_path, algo):
    metrics = run(tmp_path / algo, algo, "env.actions=bids", "env.bid_levels=4")
    assert metrics["train/env_steps"] >= 2048 and metrics["test/capture"] < 1
    check_bids(tmp_path / algo, algo)


def test_a_stopped_and_resumed_run_equals_an_uninterrupted_one(finished, tmp_path, monkeypatch):
    folder, _ = finished
    with monkeypatch.context() as patch:
        stop_at(patch, 700, lambda: os.kill(os.getpid(), signal.SIGINT))
        with pytest.raises(Interrupted):
            run(tmp_path / "bids", "bid_curves", *BIDS)
    assert 700 <= checkpoint.latest(tmp_path / "bids" / "checkpoints")[1].env_steps < 2048
    run(tmp_path / "bids", "bid_curves", *BIDS, resume=True)
    same_result(folder, tmp_path / "bids")


def test_a_second_evaluation_gives_the_same_metrics(finished):
    folder, metrics = finished
    again = evaluate.main([f"run={folder}"])
    assert {key: metrics[key] for key in again} == again


@pytest.mark.walk
def test_the_exported_policy_bids_what_the_run_bid(finished):
    folder, _ = finished
    export.main([f"run={folder}"])
    artifact = Artifact(folder / "model")
    assert (artifact.about.name, artifact.about.asks_for) == ("bid_curves", ["bid_per_mwh", "offer_per_mwh"])
    config, bids = small(folder.parent / "data_bid_curves", "bid_curves", *BIDS), []

    def actor(observation):
        action = artifact(observation)
        bids.extend(artifact.predictions(observation[:1]))
        return action

    world = part(config, "env").open("continuous", artifact.about.observation_state)
    frame = world.evaluate(actor, "test").frame
    done = pd.read_parquet(folder / "dispatch.parquet")
    for name in artifact.about.asks_for:
        np.testing.assert_allclose(frame[name], done[name], rtol=1e-3, atol=0.01)
    assert bids[0]["bid_per_mwh"] == pytest.approx(done.bid_per_mwh[0], rel=1e-3)


@pytest.mark.walk
def test_a_trial_imports_neither_ray_nor_the_compiler_nor_sympy(tmp_path):
    chosen = [*tiny(tmp_path, "bid_curves"), "algo=bid_curves", "env.actions=bids", "hydra.run.dir=run"]
    code = (
        "import sys; from battery_lab.cli.main import main\n"
        f"for arguments in ({chosen}, ['resume=run', 'train.env_steps=2048']):\n"
        "    sys.argv = ['battery_lab', *arguments]; main()\n"
        "print(*({'ray', 'torch._dynamo', 'torch._inductor', 'sympy', 'mlflow'} & set(sys.modules)))"
    )
    output = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert output.returncode == 0, output.stderr
    assert output.stdout.splitlines()[-1] == ""
    assert "could not be drawn" not in (tmp_path / "run" / "report.html").read_text()
    assert json.loads((tmp_path / "run" / "metrics.json").read_text())["train/env_steps"] >= 2048
