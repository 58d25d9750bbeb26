"""`python -m battery_lab.export` and `.serve`: a run's policy taken out, and asked over HTTP."""

from __future__ import annotations

import json
import re
import shutil
import signal

import numpy as np
import pytest
import torch

from battery_lab import export, serve
from battery_lab.compose import build, compose
from battery_lab.policy import Policy, PolicyNetwork
from battery_lab.serving.artifact import Artifact
from battery_lab.stored import store_trial, trial
from tests.commands.terminal import ROOT, like, start, tiny
from tests.serving.exported import Client, served


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    """A run folder with a trial and a policy of it, which nobody trained: what counts here is that it acts."""
    home = tmp_path_factory.mktemp("home")
    config = compose(tiny(home))
    experiment, run = build(config), home / "run"
    run.mkdir()
    store_trial(config, run)
    world = experiment.env.open("discrete")
    torch.manual_seed(0)
    network = PolicyNetwork(experiment.network.encoder(world.layout), experiment.network.out_features, 3)
    policy = Policy(
        network=network.eval(),
        decision="argmax",
        actions="discrete",
        layout=world.layout,
        action=world.action,
        observation_state=world.observation_state(),
        env_steps=1024,
    )
    policy.save(run / "policy")
    return run


@pytest.fixture(scope="module")
def exported(kept):
    """The same run, with its policy exported by the command."""
    export.main([f"run={kept}"])
    return kept


@pytest.mark.parametrize("main", [export.main, serve.main])
def test_each_explains_itself(lab, main):
    said = lab("--help", main=main)
    assert (said.status, said.err) == (0, "")
    assert "outputs/runs/<run>" in said.out


def test_exporting_says_where_and_what_next(lab, kept, tmp_path):
    said = lab(f"run={kept}", "to=mine", main=export.main)
    assert (said.status, said.err) == (0, "")
    assert said.out.endswith(
        "actions out; serve it with: python -m battery_lab.serve model=mine\n"
    ) and said.out.startswith("exported to mine: ")
    assert (tmp_path / "mine" / "model.onnx").is_file()
    assert json.loads((tmp_path / "mine" / "model.json").read_text())["name"] == "ppo"


def acts(run):
    """Observations of the run's own validation time and others, and what its policy does."""
    experiment = build(trial(run, []))
    world, seen = experiment.env.open("discrete"), []
    policy = experiment.load_policy(world, run)
    world.judge(lambda observation: seen.append(observation[0].copy()) or policy(observation), "validation")
    others = np.random.default_rng(0).normal(size=(200, world.layout.size)).astype(np.float32)
    observation = np.concatenate([np.stack(seen[:500]), others])
    return observation.tolist(), policy(observation).tolist()


def test_a_server_does_what_the_policy_does_and_ends_when_told_to(exported):
    process = start(exported.parent, f"model={exported}", "port=0", module="battery_lab.serve")
    try:
        line = process.stdout.readline()
        port = int(re.search(r" on http://127\.0\.0\.1:(\d+)/invocations; Ctrl-C ends it$", line)[1])
        seen, done = acts(exported)
        status, told = Client(port).ask(body={"instances": seen})
        assert status == 200
        assert [one["action"] for one in told["predictions"]] == done and len(set(done)) > 1
        power = np.array([-10.0, 0.0, 10.0])
        assert [one["request_mw"] for one in told["predictions"]] == power[done].tolist()
    finally:
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=30)
    assert (process.returncode, out, err) == (0, "", "")


def test_the_example_of_the_page_dispatches_by_a_server(exported, capsys):
    text = (ROOT / "docs" / "serving.md").read_text()
    code = re.search(r"<!-- example -->\n```python\n(.*?)```", text, re.DOTALL)[1]
    with served(Artifact(exported / "model")) as client:
        exec(code.replace(":8080/", f":{client.port}/"), {})
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 12
    assert all(re.fullmatch(r"[+-](10|0)\.0 MW, reward [+-]\d+\.\d", line) for line in lines)


def test_a_server_for_others_says_so(exported):
    process = start(exported.parent, f"model={exported}", "port=0", "host=0.0.0.0", module="battery_lab.serve")
    try:
        assert "nobody is asked who they are" in process.stdout.readline()
        assert " on http://0.0.0.0:" in process.stdout.readline()
    finally:
        process.terminate()
        process.communicate(timeout=30)
    assert process.returncode == 0


@pytest.mark.parametrize(
    ("main", "choices", "message"),
    [
        (export.main, ["to=x"], "run=<folder> must name the folder of a run, .*"),
        (export.main, ["run=none"], "run=none must name a run folder that holds trial.yaml, and it holds none"),
        (export.main, ["run"], "'run' must be written as key=value, .*"),
        (export.main, ["run=a", "run=b"], "run=a and run=b cannot be had together: leave one out"),
        (export.main, ["rum=a"], "'rum=a' must be one of run=..., to=..."),
        (serve.main, ["port=1"], "model=<folder> must name an exported policy, .*"),
        (serve.main, ["model=none"], "model=none must name an exported policy, and holds no model.json: export one .*"),
        (serve.main, ["model=a", "port=web"], "port must be a whole number, 0 (any that is free) to 65535, got 'web'"),
        (serve.main, ["modle=a"], "'modle=a' must be one of model=..., port=..., host=..."),
    ],
)
def test_a_mistake_ends_in_one_message(lab, main, choices, message):
    said = lab(*choices, main=main)
    assert (said.status, said.out) == (1, "")
    assert like(f"error: {message}\n", said.err), said.err


@pytest.mark.parametrize(
    ("choices", "message"),
    [
        (["host=localhost"], "host must be an address such as 127.0.0.1, got 'localhost'"),
        (["port=99999"], "port must be 0 (any that is free) to 65535, got 99999"),
    ],
)
def test_a_place_that_cannot_be_had_ends_in_one_message(lab, exported, choices, message):
    said = lab(f"model={exported}", *choices, main=serve.main)
    assert (said.status, said.err) == (1, f"error: {message}\n")


def test_a_run_that_was_not_exported_says_how_to(lab, kept, tmp_path):
    shutil.copytree(kept, tmp_path / "run", ignore=shutil.ignore_patterns("model"))
    said = lab("model=run", main=serve.main)
    assert said.err.endswith("export one first, with python -m battery_lab.export run=run\n")


def test_a_run_without_a_policy_is_told(lab, kept, tmp_path):
    shutil.copytree(kept, tmp_path / "run", ignore=shutil.ignore_patterns("policy", "model"))
    said = lab("run=run", main=export.main)
    assert (said.status, said.err) == (1, "error: run/policy holds no policy.json: name the folder of a finished run\n")
    assert not (tmp_path / "run" / "model").exists()
