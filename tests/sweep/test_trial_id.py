"""Two trials are one where they would do the same, wherever they lie."""

from __future__ import annotations

import pytest

from battery_lab.sweep import trial_id as module
from battery_lab.sweep.trial_id import contents_digest, identity, run_digest, source_digest

TRIAL = {"seed": 0, "algo": {"lr": 1e-3}, "market": {"path": "prices", "zone": "VIC1"}, "outputs": "outputs"}


@pytest.fixture(autouse=True)
def fresh():
    contents_digest.cache_clear()
    source_digest.cache_clear()
    yield
    contents_digest.cache_clear()
    source_digest.cache_clear()


@pytest.fixture
def prices(tmp_path):
    folder = tmp_path / "prices"
    folder.mkdir()
    (folder / "a.csv").write_text("1,2\n")
    return folder


def at(folder):
    return TRIAL | {"market": {"path": str(folder), "zone": "VIC1"}}


@pytest.mark.parametrize(
    "beside", [{"outputs": "elsewhere"}, {"resume": "x"}, {"tracking": {"uri": "x"}}, {"sweep": {"tries": 3}}]
)
def test_what_lies_beside_a_trial_makes_no_other(beside):
    assert identity(TRIAL | beside) == identity(TRIAL)


@pytest.mark.parametrize("change", [{"seed": 1}, {"algo": {"lr": 2e-3}}, {"algo": {"lr": 1e-3, "more": 1}}])
def test_a_changed_value_makes_another(change):
    assert identity(TRIAL | change) != identity(TRIAL)


def test_data_that_moved_are_the_same(prices, tmp_path):
    first = identity(at(prices))
    moved = prices.rename(tmp_path / "moved")
    assert identity(at(moved)) == first != identity(TRIAL)


@pytest.mark.parametrize("change", ["content", "name", "more"])
def test_data_that_changed_are_others(prices, change):
    first = identity(at(prices))
    contents_digest.cache_clear()
    if change == "content":
        (prices / "a.csv").write_text("1,3\n")
    if change == "name":
        (prices / "a.csv").rename(prices / "b.csv")
    if change == "more":
        (prices / "b.csv").write_text("")
    assert identity(at(prices)) != first


@pytest.mark.parametrize("given", ["{}/*.csv", ["{}/a.csv", "{}/c.csv"]])
def test_a_pattern_and_a_list_are_what_they_name(prices, given):
    (prices / "c.csv").write_text("5\n")
    paths = [path.format(prices) for path in given] if isinstance(given, list) else given.format(prices)
    trial = TRIAL | {"market": {"path": paths, "zone": "VIC1"}}
    first = identity(trial)
    contents_digest.cache_clear()
    (prices / "c.csv").write_text("6\n")
    assert identity(trial) != first


def test_only_what_is_called_a_path_is_read(prices, monkeypatch):
    monkeypatch.chdir(prices.parent)
    monkeypatch.setattr(module, "contents_digest", lambda path: pytest.fail(f"{path} was read"))
    assert identity({"name": "prices", "algo": "prices"}) == identity({"name": "prices", "algo": "prices"})


def test_another_source_or_package_is_another_lab(tmp_path, monkeypatch):
    (tmp_path / "a.py").write_text("one = 1\n")
    monkeypatch.setattr(module, "PACKAGE", tmp_path)
    first = source_digest()
    source_digest.cache_clear()
    (tmp_path / "a.py").write_text("one = 2\n")
    changed = source_digest()
    source_digest.cache_clear()
    monkeypatch.setattr(module.metadata, "version", lambda name: "9.9")
    assert len({first, changed, source_digest()}) == 3


def test_a_run_is_the_same_whatever_is_written_beside_what_others_go_on_from(tmp_path):
    runs = {}
    for name in ("first", "looked_at", "older_gone", "other"):
        run = runs[name] = tmp_path / name
        for file in ("trial.yaml", "policy/policy.json", "checkpoints/000000000512/state.json"):
            (run / file).parent.mkdir(parents=True, exist_ok=True)
            (run / file).write_text("{}")
    (runs["looked_at"] / "test_looks.jsonl").write_text("{}")
    older = runs["older_gone"] / "checkpoints" / "000000000256"
    older.mkdir()
    (older / "state.json").write_text("{}")
    (runs["other"] / "policy" / "policy.json").write_text("other")
    digests = {name: run_digest(run) for name, run in runs.items()}
    assert digests["first"] == digests["looked_at"] == digests["older_gone"] != digests["other"]
