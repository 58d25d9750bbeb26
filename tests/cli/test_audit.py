"""`battery-lab audit`: a stored policy and other programs, honest ones and those that know more than they may."""

from __future__ import annotations

import json
import shutil
import tarfile
from pathlib import Path

import pytest
import yaml

from tests.cli.typed_commands import like
from tests.compositions import write_market
from tests.stored_runs.build_archives import HERE

FUNCTIONS = "tests.cli.audited_programs"
SHORT = ("env.episode_days=2", "env.validation_days=3", "env.test_days=4", "moments=5", "observation=minimal")


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    """A folder with a run and its market."""
    home = tmp_path_factory.mktemp("stored")
    with tarfile.open(HERE / "ppo.tar.xz") as archive:
        archive.extractall(home, filter="data")
    return home


@pytest.fixture
def run(stored, tmp_path):
    """The same in the current folder."""
    shutil.copytree(stored, tmp_path, dirs_exist_ok=True)
    return tmp_path / "ppo"


@pytest.fixture(scope="module")
def market(tmp_path_factory):
    return write_market(tmp_path_factory.mktemp("data"))[:-1]


def test_a_stored_policy_uses_only_what_is_known(lab, run):
    looks = (run / "test_looks.jsonl").read_text()
    output = lab("audit", "run=ppo", "moments=5")
    assert (output.status, output.err) == (0, "")
    assert output.out.startswith(
        "ppo in the test period, price known\n- all values that were not known at 5 moments changed: "
    )
    assert ", none moved\npassed\nwritten to ppo/audit.json\n" in output.out
    result = json.loads((run / "audit.json").read_text())
    assert (result["passed"], result["moments"], result["period"], result["known"]) == (True, 5, "test", "price known")
    assert result["checks"][0]["decisions"] > 5 * 100
    assert (run / "test_looks.jsonl").read_text() == looks, "no figure of the test period was shown"


def test_a_stored_policy_can_be_audited_under_other_conditions(lab, run):
    output = lab("audit", "run=ppo", "moments=2", "period=validation", "env.price_lag=1", "seed=3")
    assert output.out.startswith("ppo in the validation period, price of the interval before known\n")
    result = json.loads((run / "audit.json").read_text())
    assert (result["period"], result["seed"], result["choices"]["env.price_lag"]) == ("validation", 3, "1")


def test_a_policy_with_a_feature_that_looks_ahead_ends_with_an_error(lab, run):
    trial = yaml.safe_load((run / "trial.yaml").read_text())
    trial["observation"]["features"]["last_week"] = {"_target_": f"{FUNCTIONS}.ComingPrices"}
    (run / "trial.yaml").write_text(yaml.dump(trial))
    output = lab("audit", "run=ppo", "moments=5")
    assert (output.status, output.err) == (1, "")
    assert " moved, first at 2024-01-2" in output.out
    assert (
        "  a feature or the policy reads values that are not known when the interval is dispatched\nfailed\n"
        in output.out
    )
    result = json.loads((run / "audit.json").read_text())
    assert not result["passed"]
    assert result["checks"][0]["first"]


@pytest.mark.parametrize(("function", "known"), [("honest", "price known"), ("bids", "bids")])
def test_the_figures_of_an_honest_function_are_printed(lab, market, tmp_path, function, known):
    actions = ["env.actions=bids"] if function == "bids" else []
    output = lab("audit", f"decide={FUNCTIONS}:{function}", *market, *SHORT, *actions)
    assert (output.status, output.err) == (0, "")
    assert f"Policies in the test period ({known})" in output.out
    assert f"{function} in the test period, {known}\n" in output.out
    assert {function, "perfect_foresight", "rule"} <= set(output.out.split())
    (path,) = (tmp_path / "outputs" / "audits").glob(f"*_{function}/audit.json")
    result = json.loads(path.read_text())
    assert [check["name"] for check in result["checks"]] == ["future", "restart", "dates"]
    assert result["passed"]
    assert 0 < result["metrics"]["capture"] < 1


def test_a_function_with_all_prices_ends_with_an_error(lab, market):
    output = lab("audit", f"decide={FUNCTIONS}:peeking", *market, *SHORT)
    assert (output.status, output.err) == (1, "")
    assert "  it has data of its own, which it looks up by date or by position: " in output.out
    assert "\nfailed\nwritten to outputs/audits/" in output.out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["moments=5"], "audit needs either run=<folder> or decide=<package.module>:<function>"),
        (["run=ppo", f"decide={FUNCTIONS}:honest"], "audit needs either run=<folder> or decide=.*"),
        (["run=ppo", "period=training"], "period must be one of ('test', 'validation'), got 'training'"),
        (["run=ppo", "momnets=5"], "momnets is not an argument of battery-lab audit; did you mean moments?"),
        (["run=ppo", "moments=0"], "moments must be a whole number, 1 or more, got '0'"),
        (["run=ppo", "seed=-1"], "seed must be a whole number, 0 or more, got '-1'"),
        (["run=ppo"], "run=ppo must name a run folder that holds trial.yaml, and it holds none"),
        (
            ["decide=nowhere:x"],
            "decide=nowhere:x must be <package.module>:<function>, .*: No module named 'nowhere'. .*",
        ),
        (["decide=nowhere"], "decide=nowhere must be <package.module>:<function>, .*"),
        ([f"decide={FUNCTIONS}:missing"], "decide=.* has no attribute 'missing'. Is its folder on PYTHONPATH?"),
        (["decide=:x"], "decide=:x must be <package.module>:<function>, such as my_lab.thresholds:decide"),
        (["decide=json:"], "decide=json: must be <package.module>:<function>, such as my_lab.thresholds:decide"),
        ([f"decide={FUNCTIONS}:NOTHING"], "decide=.* must name a function or a class, got None"),
        ([f"decide={FUNCTIONS}:NeedsMore"], "decide=.* must be a class that needs no arguments, .*TypeError: .*'more'"),
        ([f"decide={FUNCTIONS}:NoFunction"], "decide=.* must name a class whose objects can be called, got .*"),
        (["decide=tests.cli.broken_module:decide"], "decide=.*: importing .* fails with ZeroDivisionError: .*"),
        (
            [f"decide={FUNCTIONS}:honest", "market=aemo"],
            "market.path must be given: add market.path=... to the command",
        ),
    ],
)
def test_an_error_ends_in_one_message(lab, arguments, message):
    output = lab("audit", *arguments)
    assert output.status == 1
    assert like(f"error: {message}\n", output.err), output.err


def test_what_the_policy_was_trained_with_cannot_change(lab, run: Path):
    output = lab("audit", "run=ppo", "algo.lr=1")
    assert like("error: algo.lr cannot change, .*: battery-lab audit takes market, battery, .*\n", output.err), (
        output.err
    )
