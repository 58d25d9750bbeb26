"""Exported policies act like the trained ones, and describe their inputs and outputs."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import onnx
import pytest
import torch
from torch import nn

from battery_lab.common.errors import DataError, LabError
from battery_lab.policies import onnx_export
from battery_lab.policies.onnx_export import export_policy
from battery_lab.policies.policy_spec import SPEC
from battery_lab.serving.artifact import ABOUT, GRAPH, Artifact
from tests.serving.exported_policies import LAYOUT, MEANING, exported, network, policy, seen


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        *[("argmax", "mlp"), ("argmax", "window_conv"), ("tanh_mean", "mlp"), ("clipped_bids", "window_conv")],
        *[("cleared_levels", "window_conv"), ("cleared_power", "mlp"), ("bid_curves", "mlp")],
    ],
)
def test_the_exported_policy_acts_like_the_trained_one(tmp_path, kind, name):
    trained, artifact = exported(tmp_path, kind, name)
    for rows in (1, 2, 501):
        observation = seen(rows)
        np.testing.assert_allclose(artifact(observation), trained(observation), atol=1e-5)
    assert len(np.unique(artifact(seen(501)))) > 1


def test_the_exported_policy_describes_its_inputs_and_outputs(tmp_path):
    _, artifact = exported(tmp_path)
    about = json.loads((tmp_path / "model" / ABOUT).read_text())
    graph, weights = (tmp_path / "model" / GRAPH, tmp_path / "policy" / "weights.safetensors")
    hashes = [hashlib.sha256(path.read_bytes()).hexdigest() for path in (graph, weights)]
    assert [about.pop("graph_sha256"), about.pop("weights_sha256")] == hashes
    assert about == {
        "format": 2,
        "name": "ppo",
        "observation": list(LAYOUT.names),
        "kind": "discrete",
        "asks_for": ["request_mw"],
        "values": [[-10.0, 0.0, 10.0]],
        "squash": 0.0,
        "is_increasing": False,
        "observation_state": {"mean": [0.25]},
        "env_steps": 4096,
    }
    assert sorted(path.name for path in (tmp_path / "model").iterdir()) == [ABOUT, GRAPH]


def test_a_prediction_holds_the_action_and_its_request(tmp_path):
    trained, artifact = exported(tmp_path)
    observation = seen(64)
    for prediction, action in zip(artifact.predictions(observation), trained(observation), strict=True):
        assert prediction == {"action": action, "request_mw": (-10.0, 0.0, 10.0)[action]}


def test_a_continuous_action_requests_power_between_the_bounds(tmp_path):
    trained, artifact = exported(tmp_path, "tanh_mean")
    observation = seen(64)
    for prediction, action in zip(artifact.predictions(observation), trained(observation)[:, 0], strict=True):
        assert prediction["action"] == pytest.approx(action, abs=1e-5)
        assert prediction["request_mw"] == pytest.approx(10 * action, abs=1e-4)


def test_the_graph_is_one_file_of_plain_operators_with_any_number_of_rows(tmp_path):
    exported(tmp_path, name="window_conv")
    graph = onnx.load(tmp_path / "model" / GRAPH)
    onnx.checker.check_model(graph, full_check=True)
    assert {node.domain for node in graph.graph.node} == {""} and not graph.functions
    (given,) = graph.graph.input
    rows, width = given.type.tensor_type.shape.dim
    assert rows.dim_param and width.dim_value == LAYOUT.size


def use_graph(patch, graph):
    """Have exports write a graph that is there, as it takes a second or two to make one."""
    patch.setattr(onnx_export, "onnx_graph", lambda policy: graph)


def with_weights(path, trained):
    """Return the graph in a file with the weights of another policy of the same network."""
    graph, weights = onnx.load(path), trained.network.state_dict(prefix="network.")
    for constant in graph.graph.initializer:
        if constant.name in weights:
            constant.CopyFrom(onnx.numpy_helper.from_array(weights.pop(constant.name).numpy(), constant.name))
    assert not any(zeros.any() for zeros in weights.values())  # A graph has no biases of zero.
    return graph.SerializeToString()


def test_exporting_again_replaces_what_was_there(tmp_path, monkeypatch):
    exported(tmp_path)
    other, _ = exported(tmp_path / "other", name="window_conv")
    other.save(tmp_path / "policy")
    use_graph(monkeypatch, (tmp_path / "other" / "model" / GRAPH).read_bytes())
    export_policy(tmp_path / "policy", network("window_conv"), None, "dqn", tmp_path / "model")
    artifact = Artifact(tmp_path / "model")
    assert artifact.about.name == "dqn"
    np.testing.assert_array_equal(artifact(seen(300)), other(seen(300)))


def test_a_policy_of_an_earlier_version_takes_layout_and_actions_from_its_environment(tmp_path, monkeypatch):
    trained, _ = exported(tmp_path)
    use_graph(monkeypatch, (tmp_path / "model" / GRAPH).read_bytes())
    spec = json.loads((tmp_path / "policy" / SPEC).read_text())
    del spec["layout"], spec["action"]
    (tmp_path / "policy" / SPEC).write_text(json.dumps(spec))
    opened = []

    class Env:
        def open(self, actions, observation_state):
            opened.append((actions, observation_state))
            return SimpleNamespace(layout=LAYOUT, action=MEANING["discrete"])

    about = export_policy(tmp_path / "policy", network(), Env(), "ppo", tmp_path / "again")
    assert opened == [("discrete", {"mean": [0.25]})]
    assert about == Artifact(tmp_path / "model").about
    np.testing.assert_array_equal(Artifact(tmp_path / "again")(seen(300)), trained(seen(300)))


def test_a_policy_with_more_actions_than_its_environment_is_rejected(tmp_path):
    policy().save(tmp_path / "policy")
    spec = json.loads((tmp_path / "policy" / SPEC).read_text())
    spec["action"]["values"] = [[-10.0, 10.0]]
    (tmp_path / "policy" / SPEC).write_text(json.dumps(spec))
    with pytest.raises(DataError, match="has 3 actions, and its environment 2"):
        export_policy(tmp_path / "policy", network(), None, "ppo", tmp_path / "model")


class Untraceable(nn.Module):
    """Branches on data, which cannot be traced."""

    def forward(self, observation):
        scale = 1.0 if float(observation.detach().sum()) > 0 else 2.0
        return scale * observation


def test_a_network_that_onnx_cannot_hold_is_told(tmp_path):
    class Odd:
        out_features = LAYOUT.size

        def encoder(self, layout):
            return Untraceable()

    trained = policy()
    odd = type(trained.network)(Untraceable(), LAYOUT.size, 3)
    object.__setattr__(trained, "network", odd.eval())
    trained.save(tmp_path / "policy")
    with pytest.raises(LabError, match=r"to ONNX: Could not guard on data-dependent .* parts that ONNX supports"):
        export_policy(tmp_path / "policy", Odd(), None, "ppo", tmp_path / "model")
    assert not (tmp_path / "model" / ABOUT).exists()


@pytest.mark.parametrize("kind", ["argmax", "tanh_mean"])
def test_a_diverged_policy_is_not_exported(tmp_path, monkeypatch, kind):
    trained = policy(kind)
    with torch.no_grad():
        trained.network.head.bias[0] = float("nan")
    trained.save(tmp_path / "policy")
    exported(tmp_path / "made", kind)
    use_graph(monkeypatch, with_weights(tmp_path / "made" / "model" / GRAPH, trained))
    with pytest.raises(LabError, match="outputs are not finite, as its training diverged"):
        export_policy(tmp_path / "policy", network(), None, "ppo", tmp_path / "model")
    assert list((tmp_path / "model").iterdir()) == []


@pytest.mark.parametrize(("kind", "offset"), [("argmax", 0.0), ("argmax", 1e4), ("tanh_mean", 0.0)])
def test_a_graph_that_acts_differently_is_removed(tmp_path, monkeypatch, kind, offset):
    # The graph of another policy, whose scores have the same offset.
    other, trained = (policy(kind, seed=seed) for seed in (7, 0))
    with torch.no_grad():
        for each in (other, trained):
            each.network.head.bias += offset
    exported(tmp_path / "made", kind)
    use_graph(monkeypatch, with_weights(tmp_path / "made" / "model" / GRAPH, other))
    trained.save(tmp_path / "policy")
    with pytest.raises(LabError, match=r"acts differently from the trained one in \d+ of 1024 cases"):
        export_policy(tmp_path / "policy", network(), None, "ppo", tmp_path / "model")
    assert list((tmp_path / "model").iterdir()) == []


class Plain:
    """A network that returns the observation."""

    out_features = LAYOUT.size

    def encoder(self, layout):
        return nn.Identity()


def offers_at(factor):
    """Return a policy that offers at a factor of the observed price, and never buys."""
    made = policy("cleared_levels")
    made.network.encoder, made.network.head = nn.Identity(), nn.Linear(LAYOUT.size, 8)
    with torch.no_grad():
        made.network.head.weight.zero_()
        made.network.head.weight[4:, 1] = factor
        made.network.head.bias.copy_(torch.tensor([-50.0] * 4 + [0.0] * 4))
    return made


def test_prices_within_rounding_of_an_offer_may_be_cleared_differently(tmp_path, monkeypatch):
    trained, graph = offers_at(1.0), onnx_export.onnx_graph(offers_at(1.0 - 1e-6))
    monkeypatch.setattr(onnx_export, "onnx_graph", lambda _: graph)
    trained.save(tmp_path / "policy")
    export_policy(tmp_path / "policy", Plain(), None, "bid_curves", tmp_path / "model")
    assert (Artifact(tmp_path / "model")(seen(100)) != trained(seen(100))).any()
    offers_at(1.1).save(tmp_path / "policy")
    with pytest.raises(LabError, match="acts differently from the trained one"):
        export_policy(tmp_path / "policy", Plain(), None, "bid_curves", tmp_path / "model")


def test_an_observation_without_finite_outputs_gets_no_action(tmp_path):
    for kind in ("argmax", "cleared_power"):
        _, artifact = exported(tmp_path / kind, kind)
        observation = seen(3)
        observation[1, 5] = np.nan
        with pytest.raises(ValueError, match="there is no action for observation 1"):
            artifact.predictions(observation)


def test_acting_needs_neither_torch_nor_hydra_nor_ray(tmp_path):
    exported(tmp_path)
    code = (
        "import sys, numpy; from pathlib import Path; from battery_lab.serving.artifact import Artifact;"
        "import battery_lab.serving.server;"
        f"a = Artifact(Path({str(tmp_path / 'model')!r})); print(a(numpy.zeros((3, a.size), 'float32')).shape);"
        "print(sorted({'torch', 'ray', 'hydra', 'mlflow', 'pandas', 'gymnasium'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=os.environ, timeout=60)
    assert done.stdout.splitlines() == ["(3,)", "[]"], done.stderr
