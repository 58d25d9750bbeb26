"""Stored policies: decisions, round trip, and errors for missing or damaged files."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from battery_lab.common.errors import ConfigError, DataError
from battery_lab.envs.interfaces import ActionMeaning
from battery_lab.envs.layout import Layout
from battery_lab.policies.policy import WEIGHTS, Policy, PolicyNetwork, load
from battery_lab.policies.policy_spec import SPEC, read_meaning, read_spec

MEANING = {
    "layout": Layout(names=("x",), window_first=1, window_size=0),
    "action": ActionMeaning(names=("request_mw",), values=((-10.0, 0.0, 10.0),)),
}


def make_policy(head, decision="argmax", actions="discrete"):
    """Return a policy of one observation x whose outputs are head * x."""
    network = PolicyNetwork(nn.Identity(), 1, len(head))
    network.head.load_state_dict({"weight": torch.tensor(head)[:, None], "bias": torch.zeros(len(head))})
    return Policy(
        network=network.eval(),
        decision=decision,
        actions=actions,
        **MEANING,
        observation_state={"mean": [0.25]},
        env_steps=4096,
    )


SEEN = np.array([[-3.0], [-0.5], [0.0], [0.5], [3.0]], np.float32)


def test_argmax_returns_the_action_with_the_highest_score():
    assert make_policy([-1.0, 0.5, 1.0])(SEEN).tolist() == [0, 0, 0, 2, 2]


def test_a_mean_is_clipped_or_squashed_to_the_action_range():
    clipped = make_policy([1.0], "clipped_mean", "continuous")(SEEN)
    assert clipped.tolist() == [[-1.0], [-0.5], [0.0], [0.5], [1.0]]
    squashed = make_policy([1.0], "tanh_mean", "continuous")(SEEN)
    np.testing.assert_allclose(squashed, np.tanh(SEEN), rtol=1e-6)


def test_a_stored_policy_is_loaded_complete(tmp_path):
    policy = make_policy([1.0], "tanh_mean", "continuous")
    policy.save(tmp_path)
    loaded = load(tmp_path, nn.Identity(), 1, **MEANING)
    for field in ("decision", "actions", "layout", "action", "observation_state", "env_steps"):
        assert getattr(loaded, field) == getattr(policy, field)
    np.testing.assert_array_equal(loaded(SEEN), policy(SEEN))
    assert read_meaning(tmp_path) == (policy.layout, policy.action)
    assert not loaded.network.training


def test_an_unknown_decision_is_rejected():
    with pytest.raises(ConfigError, match=r"policy\.decision must be one of .*got 'guess'"):
        replace(make_policy([1.0]), decision="guess")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "cannot be read"),
        ("[1]", "is not a policy of format 1"),
        ('{"outputs": 3}', "is not a policy of format 1"),
        ('{"format": 2}', "is not a policy of format 1"),
    ],
)
def test_a_file_that_is_not_a_policy_is_rejected_by_name(tmp_path, text, message):
    (tmp_path / SPEC).write_text(text)
    with pytest.raises(DataError, match=f"{SPEC} {message}"):
        read_spec(tmp_path)
    with pytest.raises(DataError, match=f"{SPEC} {message}"):
        load(tmp_path, nn.Identity(), 1, **MEANING)


def test_a_missing_policy_is_an_error_that_says_which_folder_to_name(tmp_path):
    with pytest.raises(DataError, match="name the folder of a finished run"):
        load(tmp_path / "none", nn.Identity(), 1, **MEANING)


@pytest.mark.parametrize("part", ["layout", "action"])
@pytest.mark.parametrize("damaged", [None, [], {"names": 3}])
def test_a_policy_with_a_damaged_layout_or_action_cannot_be_read_without_its_environment(tmp_path, part, damaged):
    make_policy([1.0]).save(tmp_path)
    spec = json.loads((tmp_path / SPEC).read_text())
    (tmp_path / SPEC).write_text(json.dumps({**spec, part: damaged}))
    with pytest.raises(DataError, match=r"does not define its observation and actions .* train another policy"):
        read_meaning(tmp_path)
    # With the environment at hand they are known.
    assert load(tmp_path, nn.Identity(), 1, **MEANING).env_steps == 4096


def test_a_policy_of_an_earlier_version_has_no_layout_or_action(tmp_path):
    make_policy([1.0]).save(tmp_path)
    spec = json.loads((tmp_path / SPEC).read_text())
    del spec["layout"], spec["action"]
    (tmp_path / SPEC).write_text(json.dumps(spec))
    assert read_meaning(tmp_path) is None


def test_missing_foreign_or_truncated_weights_are_rejected(tmp_path):
    make_policy([1.0, 2.0, 3.0]).save(tmp_path)
    weights = (tmp_path / WEIGHTS).read_bytes()
    with pytest.raises(DataError, match="does not hold the weights of this network"):
        load(tmp_path, nn.Linear(1, 1), 1, **MEANING)
    for damaged in (weights[:-4], b"nonsense"):
        (tmp_path / WEIGHTS).write_bytes(damaged)
        with pytest.raises(DataError, match="does not hold the weights of this network"):
            load(tmp_path, nn.Identity(), 1, **MEANING)
    (tmp_path / WEIGHTS).unlink()
    with pytest.raises(DataError, match="does not hold the weights of this network"):
        load(tmp_path, nn.Identity(), 1, **MEANING)
