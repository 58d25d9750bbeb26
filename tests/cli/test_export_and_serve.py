"""`battery-lab export` and `battery-lab serve`: the policy of a run is exported and serves requests over HTTP."""

from __future__ import annotations

import json
import re
import shutil
import signal

import numpy as np
import pytest
import torch

from battery_lab.cli.build_experiment import build_experiment
from battery_lab.cli.commands import export
from battery_lab.config.compose import compose
from battery_lab.config.stored_trial import store_trial, trial
from battery_lab.policies.policy import Policy, PolicyNetwork
from battery_lab.serving.artifact import Artifact
from tests.cli.typed_commands import ROOT, like, start, tiny
from tests.serving.served_policy import Client, served


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    """A run folder with a trial and a policy of it, which is not trained."""
    home = tmp_path_factory.mktemp("home")
    config = compose(tiny(home))
    experiment, run = build_experiment(config), home / "run"
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


@pytest.mark.parametrize(
    ("command", "words"),
    [("export", ("run=outputs/runs/<run>", "to=<folder>")), ("serve", ("model=", "port=8080", "host=", "/ping"))],
)
def test_each_has_help(lab, command, words):
    output = lab(command, "--help")
    assert (output.status, output.err) == (0, "")
    assert all(word in output.out for word in words)


def test_export_prints_the_folder_and_the_next_command(lab, kept, tmp_path):
    output = lab("export", f"run={kept}", "to=custom")
    assert (output.status, output.err) == (0, "")
    assert output.out.endswith(
        "actions out; serve it with: battery-lab serve model=custom\n"
    ) and output.out.startswith("exported to custom: ")
    assert (tmp_path / "custom" / "model.onnx").is_file()
    assert json.loads((tmp_path / "custom" / "model.json").read_text())["name"] == "ppo"


def acts(run):
    """Observations of the run's own validation period and others, and what its policy does."""
    experiment = build_experiment(trial(run, []))
    world, seen = experiment.env.open("discrete"), []
    policy = experiment.load_policy(world, run)
    world.evaluate(lambda observation: seen.append(observation[0].copy()) or policy(observation), "validation")
    others = np.random.default_rng(0).normal(size=(200, world.layout.size)).astype(np.float32)
    observation = np.concatenate([np.stack(seen[:500]), others])
    return observation.tolist(), policy(observation).tolist()


@pytest.mark.walk
def test_a_server_acts_as_the_policy_and_stops_on_a_signal(exported):
    process = start(exported.parent, "serve", f"model={exported}", "port=0")
    try:
        line = process.stdout.readline()
        port = int(re.search(r" on http://127\.0\.0\.1:(\d+)/invocations; Ctrl-C ends it$", line)[1])
        seen, done = acts(exported)
        status, answer = Client(port).ask(body={"instances": seen})
        assert status == 200
        assert [prediction["action"] for prediction in answer["predictions"]] == done and len(set(done)) > 1
        power = np.array([-10.0, 0.0, 10.0])
        assert [prediction["request_mw"] for prediction in answer["predictions"]] == power[done].tolist()
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


class Everywhere:
    """Stands for a socket that all may reach, which a test opens none of."""

    def getsockname(self):
        return "0.0.0.0", 8080


def test_a_server_that_others_can_reach_warns(lab, exported, monkeypatch):
    addresses = []
    monkeypatch.setattr("battery_lab.serving.server.listen", lambda *where: addresses.append(where) or Everywhere())
    monkeypatch.setattr("battery_lab.serving.server.serve", lambda artifact, listening, output: print(output))
    output = lab("serve", f"model={exported}", "host=0.0.0.0")
    assert addresses == [("0.0.0.0", 8080)]
    first, second = output.out.splitlines()
    assert first == "any machine that reaches this one can send requests, without authentication"
    assert second == f"serving ppo of {exported / 'model'} on http://0.0.0.0:8080/invocations; Ctrl-C ends it"


@pytest.mark.parametrize(
    ("command", "choices", "message"),
    [
        ("export", ["to=x"], "run=<folder> must name the folder of a run, .*"),
        ("export", ["run=none"], "run=none must name a run folder that holds trial.yaml, and it holds none"),
        ("export", ["run"], "'run' must be written as key=value, for instance run=outputs/runs/<run>"),
        ("serve", ["x"], "'x' must be written as key=value, for instance model=outputs/runs/<run>"),
        ("export", ["run=x", "to="], "to= must name a folder, which is made if missing: choose another"),
        ("export", ["run=a", "run=b"], "run=a and run=b cannot be combined: leave one out"),
        ("export", ["rum=a"], "'rum=a' must be one of run=..., to=..."),
        ("serve", ["port=1"], "model=<folder> must name an exported policy, .*"),
        ("serve", ["model=none"], "model=none must name an exported policy, and holds no model.json: export one .*"),
        ("serve", ["model=a", "port=web"], "port must be a whole number from 0 (any free port) to 65535, got 'web'"),
        ("serve", ["mode=a"], "'mode=a' must be one of model=..., port=..., host=..."),
    ],
)
def test_an_error_ends_in_one_message(lab, command, choices, message):
    output = lab(command, *choices)
    assert (output.status, output.out) == (1, "")
    assert like(f"error: {message}\n", output.err), output.err


@pytest.mark.parametrize(
    ("choices", "message"),
    [
        (["host=here"], "host must be an IP address such as 127.0.0.1, got 'here'"),
        (["port=99999"], "port must be from 0 (any free port) to 65535, got 99999"),
    ],
)
def test_an_address_that_is_not_available_ends_in_one_message(lab, exported, choices, message):
    output = lab("serve", f"model={exported}", *choices)
    assert (output.status, output.err) == (1, f"error: {message}\n")


def test_a_run_that_was_not_exported_says_how_to(lab, kept, tmp_path):
    shutil.copytree(kept, tmp_path / "run", ignore=shutil.ignore_patterns("model"))
    output = lab("serve", "model=run")
    assert output.err.endswith("export one first, with battery-lab export run=run\n")


def test_a_run_without_a_policy_is_refused(lab, kept, tmp_path):
    shutil.copytree(kept, tmp_path / "run", ignore=shutil.ignore_patterns("policy", "model"))
    output = lab("export", "run=run")
    assert (output.status, output.err) == (
        1,
        "error: run/policy holds no policy.json: name the folder of a finished run\n",
    )
    assert not (tmp_path / "run" / "model").exists()


def test_a_target_that_is_a_file_is_refused(lab, kept, tmp_path):
    (tmp_path / "file").write_text("custom")
    output = lab("export", f"run={kept}", "to=file")
    assert (output.status, output.err) == (
        1,
        "error: to=file must name a folder, which is made if missing: choose another\n",
    )
    assert (tmp_path / "file").read_text() == "custom"


def test_a_policy_that_the_run_has_replaced_is_not_served(lab, exported, tmp_path):
    shutil.copytree(exported, tmp_path / "run")
    weights = tmp_path / "run" / "policy" / "weights.safetensors"
    weights.write_bytes(weights.read_bytes()[:-4] + b"\0\0\0\0")
    for model in ("run", "run/model"):
        output = lab("serve", f"model={model}")
        again = "export again, with battery-lab export run=run"
        assert output.err == f"error: run holds another policy than the one exported from it: {again}\n"


def test_a_policy_of_an_earlier_version_is_exported_with_the_layout_of_its_market(lab, exported, tmp_path):
    shutil.copytree(exported, tmp_path / "run")
    path = tmp_path / "run" / "policy" / "policy.json"
    spec = json.loads(path.read_text())
    del spec["layout"], spec["action"]
    path.write_text(json.dumps(spec))
    assert lab("export", "run=run", "to=custom").err == ""
    exported_again, other = (
        (folder / "model.json").read_text() for folder in (tmp_path / "custom", exported / "model")
    )
    assert json.loads(exported_again) == json.loads(other)
