"""The benchmark: its clocks, statistics and output, and as slow tests a short run of every implementation."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from benchmarks import bench, implementations, markdown_tables, matmul_bound, timing
from benchmarks.timing import Clock
from benchmarks.workload import Workload


def at(*times: float) -> Any:
    """Return a function that returns these times, one per call."""
    remaining = iter(times)
    return lambda: next(remaining)


# --- clocks ---


def test_clock_ends_at_the_requested_time() -> None:
    clock = Clock(2, now=at(*np.arange(0, 4, 0.1)))
    continues = [clock.mark(step) for step in range(40)]
    assert continues.index(False) == 20


def test_clock_measures_half_of_the_time_after_a_compilation() -> None:
    clock = Clock(2, now=at(0.0, *np.arange(1.9, 6, 0.1)))
    continues = [clock.mark(step) for step in range(30)]
    assert clock.marks[continues.index(False)][1] == pytest.approx(2.9)


def test_clock_ends_at_three_times_the_requested_time() -> None:
    clock = Clock(2, now=at(*np.arange(0, 20, 1.0)))
    continues = [clock.mark(step) for step in range(15)]
    assert clock.marks[continues.index(False)][1] == 6.0


def test_time_starts_when_the_replay_memory_is_full() -> None:
    clock = Clock(5, fill=100, now=at(0, 7, 8, 9))
    assert [clock.mark(steps) for steps in (50, 99, 100, 110)] == [True] * 4
    assert clock.marks == [(100, 8), (110, 9)]


def test_clock_runs_a_training_loop_until_its_end() -> None:
    steps = []

    def training() -> Iterator[int]:
        for step in range(1000):
            steps.append(step)
            yield 10 * (step + 1)

    clock = Clock(1, now=at(*np.arange(0, 3, 0.05)))
    clock.follow(training())
    assert len(steps) == 20
    assert clock.marks[0][0] == 0


# --- rates ---


COMPILES = [(0, 0.0), (100, 8.0), (300, 9.0), (500, 10.0), (700, 11.0), (900, 12.0), (1100, 13.0)]


def test_rate_includes_compilation_and_ends_at_the_requested_time() -> None:
    assert timing.rate(COMPILES, 10) == 50.0


def test_steady_rate_covers_the_last_half_of_the_time() -> None:
    assert timing.steady_rate(COMPILES, 10) == 200.0


def test_rates_of_a_single_long_step() -> None:
    marks = [(0, 0.0), (100, 50.0)]
    assert timing.rate(marks, 10) == timing.steady_rate(marks, 10) == 2.0


def test_slowest_step() -> None:
    assert timing.slowest_step(COMPILES) == 8.0


def test_ratios_are_computed_per_repetition() -> None:
    # The machine was slow in the third repetition, which affects both rates alike.
    assert timing.ratios({0: 4, 1: 6, 2: 1}, {0: 2, 1: 2, 2: 0.5}) == {"median": 2.0, "min": 2.0, "max": 3.0}


def test_ratios_ignore_repetitions_without_both_rates() -> None:
    assert timing.ratios({0: 4, 1: 6}, {1: 2, 2: 5})["median"] == 3.0


def test_peak_memory_is_plausible() -> None:
    assert 20 < timing.peak_memory_mb() < 1e6


# --- matrix products ---


def flops(shapes: list[matmul_bound.Shape]) -> int:
    return sum(2 * m * k * n for m, k, n in shapes)


def test_products_of_a_network_equal_the_count_of_torch() -> None:
    sizes, rows = [292, 128, 128, 4], 64
    net = torch.nn.Sequential(*(torch.nn.Linear(k, n) for k, n in zip(sizes[:-1], sizes[1:], strict=True)))
    from torch.utils.flop_counter import FlopCounterMode

    with FlopCounterMode(display=False) as counter:
        net(torch.ones(rows, 292)).sum().backward()
    assert flops(matmul_bound.learning(rows, sizes)) == counter.get_total_flops()


def test_sac_has_more_products_than_dqn_and_dqn_more_than_a_forward_pass() -> None:
    dqn = flops(matmul_bound.update(Workload(algo="dqn", fragment=4), 292, 3))
    sac = flops(matmul_bound.update(Workload(algo="sac", fragment=4), 292, 2))
    assert sac > 3 * dqn
    assert dqn > 3 * flops(matmul_bound.forward(1024, [292, 128, 128, 3]))


def test_bound_combines_acting_and_learning(monkeypatch: pytest.MonkeyPatch) -> None:
    # Acting takes 1 ms for 64 steps, and each of 4 epochs 4 ms per 1,024.
    times = iter((1e-3, 4e-3))
    monkeypatch.setattr(matmul_bound, "seconds_each", lambda shapes, seconds: next(times))
    assert matmul_bound.bound(Workload(algo="ppo"), 292, 3, 1.0) == pytest.approx(1 / (1e-3 / 64 + 4 * 4e-3 / 1024))


# --- the workload ---


@pytest.mark.parametrize("algo", ["dqn", "sac"])
def test_updates_match_the_training_intensity(algo: str) -> None:
    workload = Workload(algo=algo, fragment=4)
    assert workload.updates * workload.options["batch"] / (workload.fragment * workload.num_envs) == 16


def test_window_observation_has_292_numbers() -> None:
    assert Workload(algo="ppo").vector_env().single_observation_space.shape == (292,)


# --- output ---


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
    bench.main(["--part", "grow", "--repeats", "1", "--out", str(out)])
    written = json.loads(out.read_text())
    assert written["ppo"]["lab"] == 10.0
    assert written["grow"]["64 envs, 2 runners, window"]["rllib_vector"]["lab_ratio"]["median"] == 1.0


def test_batches_of_all_sizes_have_at_least_4096_steps() -> None:
    for workload, _ in implementations.scaling_groups().values():
        assert workload["num_envs"] * workload["fragment"] >= 4096


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
        (["--sides", "lab,sb4"], "matmul, got sb4"),
        (["--repeats", "0"], "--repeats must be greater than 0"),
        (["--seconds", "-1"], "--seconds must be greater than 0, got -1"),
        (["--threads", "0"], "--threads must be greater than 0"),
    ],
)
def test_invalid_arguments_are_rejected(arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        bench.parse(arguments)
    assert message in capsys.readouterr().err


# --- short runs ---


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
