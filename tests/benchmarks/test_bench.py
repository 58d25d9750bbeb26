"""The benchmark: its runs, output and arguments, and as slow tests a short run of every implementation."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks import bench, implementations, markdown_tables


def run_of(rate: float) -> dict[str, Any]:
    fields = ("slowest_step_s", "memory_mb", "children_memory_mb")
    return {bench.COUNTED: rate, bench.COMPILED: 2 * rate} | dict.fromkeys(fields, 1.0)


def fake(monkeypatch: pytest.MonkeyPatch, **rates: float) -> list[tuple[str, int]]:
    """Replace runs by these rates; returns a list of the implementations and repetitions that ran."""
    ran: list[tuple[str, int]] = []

    def spawn(name: str, workload: dict[str, Any], seconds: float, threads: int) -> dict[str, Any]:
        ran.append((name, workload["seed"]))
        if rates.get(name) == 0:
            raise RuntimeError(f"{name} broke")
        return run_of(rates.get(name, 10.0))

    monkeypatch.setattr(bench, "spawn", spawn)
    monkeypatch.setattr(implementations, "reason_missing", lambda name: "")
    return ran


def test_output_file_has_the_public_names(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    fake(monkeypatch, lab=30.0)
    out = tmp_path / "outputs" / "bench.json"
    assert bench.main(["--repeats", "2", "--out", str(out)]) == 0
    written = json.loads(out.read_text())
    for algo in ("ppo", "dqn", "sac"):
        assert {"lab", "rllib_vector", "sb3", "torch_loop"} <= set(written[algo])
        assert written[algo]["lab"] == 30.0
        assert written["detail"][algo]["sb3"]["lab_ratio"] == {"median": 3.0, "min": 3.0, "max": 3.0}
        assert written["detail"][algo]["sb3"]["matmul_share_steady"]["median"] == 2.0


def test_implementations_alternate(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    ran = fake(monkeypatch)
    bench.main(["--algos", "dqn", "--implementations", "lab,sb3", "--repeats", "2", "--out", str(tmp_path / "b.json")])
    assert ran == [("lab", 0), ("sb3", 0), ("lab", 1), ("sb3", 1)]


def test_failure_of_one_implementation_keeps_the_figures_of_others(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fake(monkeypatch, sb3=0)
    out = tmp_path / "b.json"
    assert bench.main(["--algos", "sac", "--repeats", "1", "--out", str(out)]) == 1
    assert "sb3 broke" in capsys.readouterr().out
    assert "sb3" not in json.loads(out.read_text())["sac"]


def test_figures_of_other_algorithms_are_kept(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    fake(monkeypatch)
    out = tmp_path / "b.json"
    for algo in ("dqn", "sac"):
        bench.main(["--algos", algo, "--repeats", "1", "--out", str(out)])
    written = json.loads(out.read_text())
    assert set(written["detail"]) == {"dqn", "sac"} == set(written) - {"detail", "machine"}


def test_compiled_ratio_uses_the_lab_with_an_early_program(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fake(monkeypatch, lab=30.0, lab_compiled=40.0)
    out = tmp_path / "b.json"
    bench.main(["--algos", "dqn", "--repeats", "1", "--out", str(out)])
    detail = json.loads(out.read_text())["detail"]["dqn"]
    assert (detail["sb3"]["lab_ratio"]["median"], detail["sb3"]["lab_ratio_steady"]["median"]) == (3.0, 4.0)
    assert "lab_ratio" not in detail["lab"] and "lab_ratio_steady" not in detail["lab_compiled"]


def test_sampling_and_matmul_get_a_fraction_of_the_time(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    seconds_of = {}

    def spawn(name: str, workload: dict[str, Any], seconds: float, threads: int) -> dict[str, Any]:
        seconds_of[name] = seconds
        return run_of(1.0)

    monkeypatch.setattr(bench, "spawn", spawn)
    bench.main(["--algos", "ppo", "--repeats", "1", "--seconds", "60", "--out", str(tmp_path / "b.json")])
    assert (seconds_of["lab"], seconds_of["matmul"], seconds_of["rllib_sampling"]) == (60, 12, 12)


def test_settings_are_stored_per_algorithm(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    fake(monkeypatch)
    out = tmp_path / "b.json"
    for algo, seconds in (("dqn", "20"), ("sac", "30")):
        bench.main(["--algos", algo, "--repeats", "1", "--seconds", seconds, "--out", str(out)])
    machine = json.loads(out.read_text())["machine"]
    assert (machine["dqn"]["seconds"], machine["sac"]["seconds"]) == (20, 30)


def test_second_part_keeps_the_output_of_the_first(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    fake(monkeypatch)
    out = tmp_path / "b.json"
    bench.main(["--algos", "ppo", "--repeats", "1", "--out", str(out)])
    bench.main(["--part", "scaling", "--repeats", "1", "--out", str(out)])
    written = json.loads(out.read_text())
    assert written["ppo"]["lab"] == 10.0
    assert written["scaling"]["64 envs, 2 runners, window"]["rllib_vector"]["lab_ratio"]["median"] == 1.0


def test_table_cells_without_a_figure_are_empty() -> None:
    summaries = bench.summarise({"sb3": {0: run_of(1234.0)}})
    assert (
        markdown_tables.group_table(summaries)
        .splitlines()[-1]
        .startswith("|sb3|1,234 (1,234 to 1,234)|2,468 (2,468 to 2,468)||||")
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--algos", "a2c"], "ppo, dqn, sac, got a2c"),
        (["--implementations", "lab,sb4"], "matmul, got sb4"),
        (["--repeats", "0"], "--repeats must be greater than 0"),
        (["--seconds", "-1"], "--seconds must be greater than 0, got -1"),
        (["--threads", "0"], "--threads must be greater than 0"),
    ],
)
def test_invalid_arguments_are_rejected(arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        bench.parse(arguments)
    assert message in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.parametrize(
    ("algo", "name"), [(algo, name) for algo, names in implementations.IMPLEMENTATIONS.items() for name in names]
)
def test_every_implementation_runs(algo: str, name: str) -> None:
    if reason := implementations.reason_missing(name):
        pytest.skip(reason)
    workload = {"algo": algo, "num_envs": 8, "fragment": 128 if algo == "ppo" else 32, "fill": 1024}
    result = bench.spawn(name, workload, 0.5, 1)
    assert result[bench.COUNTED] > 0
    assert result["env_steps"] >= 256
    assert (result["observation"], result["threads"]) == (292, 1)


@pytest.mark.slow
@pytest.mark.parametrize("name", [*implementations.SAMPLING, implementations.MATMUL])
def test_sampling_and_matmul_run(name: str) -> None:
    if reason := implementations.reason_missing(name):
        pytest.skip(reason)
    assert bench.spawn(name, {"algo": "ppo"}, 0.5, 1)[bench.COUNTED] > 0
