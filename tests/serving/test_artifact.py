"""Exported policies: valid ones load, damaged ones are refused."""

from __future__ import annotations

import hashlib
import json
import shutil

import pytest

from battery_lab.common.errors import DataError
from battery_lab.serving import artifact
from battery_lab.serving.artifact import ABOUT, GRAPH, Artifact
from tests.serving.exported_policies import exported, seen


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    folder = tmp_path_factory.mktemp("good")
    exported(folder)
    return folder / "model"


@pytest.fixture
def model(good, tmp_path):
    """A copy of a valid model, to be damaged."""
    return shutil.copytree(good, tmp_path / "model")


def change_about(model, **changed):
    about = json.loads((model / ABOUT).read_text()) | changed
    (model / ABOUT).write_text(json.dumps({key: value for key, value in about.items() if value is not None}))


def replace_graph(model, content):
    (model / GRAPH).write_bytes(content)
    change_about(model, graph_sha256=hashlib.sha256(content).hexdigest())


def test_valid_model_loads(model):
    assert Artifact(model).size == 31


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"format": 3}, r"model\.json must be an exported policy of format 2"),
        ({"observation": None}, r"model\.json lacks observation: export the policy again"),
        ({"observation": []}, r"observation must be a list of one name per number, got \[\]"),
        ({"observation": "soc"}, "observation must be a list of one name per number, got 'soc'"),
        ({"kind": "both"}, r"kind must be one of .*got 'both'"),
        ({"values": [[1.0]]}, r"values must be one list per quantity, of finite numbers: one per.* got \[\[1\.0\]\]"),
        ({"values": [["a", "b"]]}, "values must be one list per quantity, of finite numbers"),
        ({"values": [[-1.0, 0.0, 1.0]], "kind": "continuous"}, "or two for the continuous actions"),
        ({"values": [[-1.0, 0.0, 1.0]] * 2}, "values must be one list per quantity"),
        (
            {"values": [[-1.0, 0.0, 1.0], [-1.0, 1.0]], "asks_for": ["bid", "offer"]},
            "values must be one list per quantity",
        ),
        ({"squash": -1.0}, "squash must be 0 or more, got -1.0"),
        ({"values": [[-1.0, 0.0, float("nan")]]}, r"model\.json cannot be read: NaN is not a JSON number"),
        ({"observation_state": {"mean": [float("inf")]}}, "Infinity is not a JSON number"),
        ({"values": [[10**400, 0.0, 1.0]]}, "values must be one list per quantity, of finite numbers"),
        ({"name": 3}, "name must be text, got 3"),
        ({"asks_for": "request_mw"}, r"asks_for must be a list of names, got 'request_mw'"),
        ({"asks_for": ["action"]}, r"asks_for must be other names than action, got \['action'\]"),
        ({"env_steps": "many"}, "env_steps must be a whole number, got 'many'"),
        ({"observation_state": []}, r"observation_state must be a mapping, got \[\]"),
        ({"weights_sha256": None}, "lacks weights_sha256"),
        ({"graph_sha256": "0" * 64}, r"is not the graph that model\.json describes"),
        ({"observation": ["soc"]}, r"does not take 1 numbers, as model\.json says"),
        ({"values": [[-1.0, 1.0]], "kind": "continuous"}, r"gives actions of shape \(2,\), not \(2, 1\)"),
    ],
)
def test_invalid_description_is_refused(model, changed, message):
    change_about(model, **changed)
    with pytest.raises(DataError, match=message):
        Artifact(model)


def test_model_of_the_first_format_loads(model):
    expected = Artifact(model).predictions(seen(20))
    change_about(model, format=1, asks_for="request_mw", values=[-10.0, 0.0, 10.0], squash=None)
    assert Artifact(model).predictions(seen(20)) == expected


def test_missing_or_damaged_file_is_an_error(model):
    (model / GRAPH).unlink()
    with pytest.raises(DataError, match=r"model\.onnx cannot be read: .*No such file"):
        Artifact(model)
    (model / ABOUT).write_text("{")
    with pytest.raises(DataError, match=r"model\.json cannot be read"):
        Artifact(model)
    (model / ABOUT).unlink()
    with pytest.raises(DataError, match=r"model\.json cannot be read: .*No such file"):
        Artifact(model)


@pytest.mark.parametrize("content", [b"", b"nonsense", b"\x80\x04\x95pickle"])
def test_file_that_is_not_onnx_is_refused(model, content):
    replace_graph(model, content)
    with pytest.raises(DataError, match=r"model\.onnx cannot be run"):
        Artifact(model)


def test_graph_that_is_too_large_is_not_read(model, monkeypatch):
    monkeypatch.setattr(artifact, "LARGEST_BYTES", 1000)
    with pytest.raises(DataError, match=r"model\.onnx must have at most"):
        Artifact(model)


def test_action_without_a_value_is_refused(model):
    change_about(model, values=[[-10.0, 0.0]])
    artifact = Artifact(model)
    observation = seen(500)
    assert (artifact(observation) == 2).any()
    with pytest.raises(ValueError, match=f"no action for observation {(artifact(observation) == 2).argmax()}"):
        artifact.predictions(observation)
