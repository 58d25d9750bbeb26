"""A stored policy: what its numbers mean, that all of it comes back, and that nothing else passes for one."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from battery_lab.common.errors import ConfigError, DataError
from battery_lab.envs.base import ActionMeaning
from battery_lab.envs.layout import Layout
from battery_lab.policies.policy import SPEC, WEIGHTS, Policy, PolicyNetwork, load, read_meaning, read_spec

MEANING = {
    "layout": Layout(names=("x",), window_first=1, window_size=0),
    "action": ActionMeaning(name="request_mw", values=(-10.0, 0.0, 10.0)),
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


def test_argmax_takes_the_level_of_the_highest_score():
    assert make_policy([-1.0, 0.5, 1.0])(SEEN).tolist() == [0, 0, 0, 2, 2]


def test_a_mean_is_clipped_or_squashed_to_the_range_of_actions():
    clipped = make_policy([1.0], "clipped_mean", "continuous")(SEEN)
    assert clipped.tolist() == [[-1.0], [-0.5], [0.0], [0.5], [1.0]]
    squashed = make_policy([1.0], "tanh_mean", "continuous")(SEEN)
    np.testing.assert_allclose(squashed, np.tanh(SEEN), rtol=1e-6)


def test_all_of_a_policy_comes_back(tmp_path):
    policy = make_policy([1.0], "tanh_mean", "continuous")
    policy.save(tmp_path)
    again = load(tmp_path, nn.Identity(), 1, **MEANING)
    for field in ("decision", "actions", "layout", "action", "observation_state", "env_steps"):
        assert getattr(again, field) == getattr(policy, field)
    np.testing.assert_array_equal(again(SEEN), policy(SEEN))
    assert read_meaning(tmp_path) == (policy.layout, policy.action)
    assert not again.network.training


def test_a_decision_that_nothing_knows_is_refused():
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
def test_what_is_no_policy_is_refused_with_its_file(tmp_path, text, message):
    (tmp_path / SPEC).write_text(text)
    with pytest.raises(DataError, match=f"{SPEC} {message}"):
        read_spec(tmp_path)


@pytest.mark.parametrize("part", ["layout", "action"])
@pytest.mark.parametrize("told", [None, [], {"names": 3}])
def test_a_policy_that_does_not_say_what_its_numbers_mean_is_refused_where_that_matters(tmp_path, part, told):
    make_policy([1.0]).save(tmp_path)
    spec = json.loads((tmp_path / SPEC).read_text())
    (tmp_path / SPEC).write_text(json.dumps({**spec, part: told}))
    with pytest.raises(DataError, match=r"does not say what its numbers mean .* train another policy"):
        read_meaning(tmp_path)
    # Who has the environment knows them.
    assert load(tmp_path, nn.Identity(), 1, **MEANING).env_steps == 4096


def test_a_policy_of_an_earlier_version_does_not_say(tmp_path):
    make_policy([1.0]).save(tmp_path)
    spec = json.loads((tmp_path / SPEC).read_text())
    del spec["layout"], spec["action"]
    (tmp_path / SPEC).write_text(json.dumps(spec))
    assert read_meaning(tmp_path) is None


def test_weights_that_are_missing_foreign_or_cut_off_are_refused(tmp_path):
    make_policy([1.0, 2.0, 3.0]).save(tmp_path)
    weights = (tmp_path / WEIGHTS).read_bytes()
    with pytest.raises(DataError, match="does not hold the weights of this network"):
        load(tmp_path, nn.Linear(1, 1), 1, **MEANING)
    (tmp_path / WEIGHTS).write_bytes(weights[:-4])
    with pytest.raises(DataError, match="does not hold the weights of this network"):
        load(tmp_path, nn.Identity(), 1, **MEANING)
    (tmp_path / WEIGHTS).unlink()
    with pytest.raises(DataError, match="does not hold the weights of this network"):
        load(tmp_path, nn.Identity(), 1, **MEANING)
