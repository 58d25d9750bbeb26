"""Text and file of a look-ahead audit, and environments that have none."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest

from battery_lab.common.errors import ConfigError
from battery_lab.envs.audit_interface import AuditCheck
from battery_lab.experiment.look_ahead_audit import Audit, audit_function
from tests.experiment.small_runs import console


def check(**changes):
    fields = {
        "name": "dates",
        "change": "other dates",
        "decisions": 2000,
        "moved": 0,
        "tolerated": 0.0,
        "first": (),
        "error": "",
        "finding": "it knows more",
    }
    return AuditCheck(**(fields | changes))


def audit(*checks, **changes):
    fields = {"policy": "ppo", "period": "test", "moments": 9, "seed": 0, "known": "bids", "checks": checks}
    return Audit(**(fields | {"data": "a1"} | changes))


def test_a_passed_audit_says_what_was_compared():
    assert audit(check()).text == (
        "ppo in the test period, bids\n- other dates: 2,000 decisions compared, none moved\npassed"
    )
    assert audit(check(), known="").text.startswith("ppo in the test period\n")


def test_a_failed_audit_says_where_and_what_it_means():
    text = audit(check(), check(moved=3, first=("2024-01-21T10:00:00+10:00", "2024-01-22"), error="KeyError: 1")).text
    assert text.splitlines()[2:] == [
        "- other dates: 2,000 decisions compared, 3 moved, first at 2024-01-21T10:00:00+10:00, 2024-01-22",
        "  it knows more (KeyError: 1)",
        "failed",
    ]


@pytest.mark.parametrize(
    ("changes", "passed"),
    [
        ({}, True),
        ({"moved": 1}, False),
        ({"moved": 100, "tolerated": 0.05}, True),
        ({"moved": 101, "tolerated": 0.05}, False),
        ({"moved": 0, "tolerated": 0.05, "error": "KeyError"}, False),
        ({"decisions": 0, "tolerated": 0.05}, False),
    ],
)
def test_a_check_fails_if_more_decisions_moved_than_may(changes, passed):
    assert check(**changes).passed == passed
    assert audit(check(), check(**changes)).passed == passed


def test_the_file_holds_what_was_compared(tmp_path):
    metrics = {"capture": 0.5, "lift_over_rule": float("nan")}
    made = audit(check(), check(moved=1), metrics=metrics, data="b2", env_steps=7)
    path = made.write(tmp_path / "new", {"market": "aemo"})
    content = json.loads(path.read_text())
    assert (content["data"], content["env_steps"]) == ("b2", 7)
    assert (path.name, content["passed"], content["choices"]) == ("audit.json", False, {"market": "aemo"})
    assert content["metrics"] == {"capture": 0.5, "lift_over_rule": None}
    assert [("finding" in one, one["passed"]) for one in content["checks"]] == [(False, True), (True, False)]


def test_an_environment_without_an_audit_is_named():
    env = SimpleNamespace(offers=("discrete",), open=lambda actions: SimpleNamespace(score="profit"))
    with pytest.raises(ConfigError, match="env must be one that can be audited, and SimpleNamespace cannot: implement"):
        audit_function(env, lambda: float, "function", "test", 1, 0, console())
