"""The benchmark's own arithmetic, and behind `slow` one short run of every side that is installed."""

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
    """Return a clock's hand that shows these times, one a look."""
    shown = iter(times)
    return lambda: next(shown)


# --- clocks ---


def test_a_calm_training_ends_when_time_is_up() -> None:
    clock = Clock(2, now=at(*np.arange(0, 4, 0.1)))
    going = [clock.mark(step) for step in range(40)]
    assert going.index(False) == 20


def test_after_a_compilation_half_of_the_time_is_measured_still() -> None:
    clock = Clock(2, now=at(0.0, *np.arange(1.9, 6, 0.1)))
    going = [clock.mark(step) for step in range(30)]
    assert clock.marks[going.index(False)][1] == pytest.approx(2.9)


def test_a_training_of_long_steps_ends_at_three_times_its_time() -> None:
    clock = Clock(2, now=at(*np.arange(0, 20, 1.0)))
    going = [clock.mark(step) for step in range(15)]
    assert clock.marks[going.index(False)][1] == 6.0


def test_time_begins_when_the_memory_is_filled() -> None:
    clock = Clock(5, fill=100, now=at(0, 7, 8, 9))
    assert [clock.mark(steps) for steps in (50, 99, 100, 110)] == [True] * 4
    assert clock.marks == [(100, 8), (110, 9)]


def test_a_clock_follows_a_training_to_the_end_of_its_time() -> None:
    taken = []

    def training() -> Iterator[int]:
        for step in range(1000):
            taken.append(step)
            yield 10 * (step + 1)

    clock = Clock(1, now=at(*np.arange(0, 3, 0.05)))
    clock.follow(training())
    assert len(taken) == 20
    assert clock.marks[0][0] == 0


# --- rates ---


COMPILES = [(0, 0.0), (100, 8.0), (300, 9.0), (500, 10.0), (700, 11.0), (900, 12.0), (1100, 13.0)]


def test_a_rate_counts_compilation_in_and_no_more_than_the_time_asked() -> None:
    assert timing.rate(COMPILES, 10) == 50.0


def test_a_steady_rate_is_of_the_last_half_of_that_time() -> None:
    assert timing.steady_rate(COMPILES, 10) == 200.0


def test_rates_of_a_training_of_one_long_step() -> None:
    marks = [(0, 0.0), (100, 50.0)]
    assert timing.rate(marks, 10) == timing.steady_rate(marks, 10) == 2.0


def test_the_slowest_step_is_found() -> None:
    assert timing.slowest_step(COMPILES) == 8.0


def test_ratios_are_taken_repetition_by_repetition() -> None:
    # Medians of both sides would say 2; the machine was slow for both in the third repetition.
    assert timing.ratios({0: 4, 1: 6, 2: 1}, {0: 2, 1: 2, 2: 0.5}) == {"median": 2.0, "min": 2.0, "max": 3.0}


def test_a_repetition_that_one_side_lacks_does_not_count() -> None:
    assert timing.ratios({0: 4, 1: 6}, {1: 2, 2: 5})["median"] == 3.0


def test_memory_of_this_process_is_above_that_of_python_alone() -> None:
    assert 20 < timing.peak_memory_mb() < 1e6


# --- matrix products ---


def flops(shapes: list[matmul_bound.Shape]) -> int:
    return sum(2 * m * k * n for m, k, n in shapes)


def test_the_passes_of_a_network_are_those_that_torch_takes() -> None:
    sizes, rows = [292, 128, 128, 4], 64
    net = torch.nn.Sequential(*(torch.nn.Linear(k, n) for k, n in zip(sizes[:-1], sizes[1:], strict=True)))
    from torch.utils.flop_counter import FlopCounterMode

    with FlopCounterMode(display=False) as counter:
        net(torch.ones(rows, 292)).sum().backward()
    assert flops(matmul_bound.learning(rows, sizes)) == counter.get_total_flops()


def test_sac_multiplies_more_than_dqn_and_dqn_more_than_a_pass() -> None:
    dqn = flops(matmul_bound.update(Workload(algo="dqn", fragment=4), 292, 3))
    sac = flops(matmul_bound.update(Workload(algo="sac", fragment=4), 292, 2))
    assert sac > 3 * dqn
    assert dqn > 3 * flops(matmul_bound.forward(1024, [292, 128, 128, 3]))


def test_the_limit_is_a_number_of_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    # 64 steps take 1 ms to act, and each of 4 epochs 4 ms for every 1,024.
    times = iter((1e-3, 4e-3))
    monkeypatch.setattr(matmul_bound, "seconds_each", lambda shapes, seconds: next(times))
    assert matmul_bound.bound(Workload(algo="ppo"), 292, 3, 1.0) == pytest.approx(1 / (1e-3 / 64 + 4 * 4e-3 / 1024))


# --- the work ---


@pytest.mark.parametrize("algo", ["dqn", "sac"])
def test_gradient_steps_make_the_training_intensity(algo: str) -> None:
    work = Workload(algo=algo, fragment=4)
    assert work.updates * work.options["batch"] / (work.fragment * work.num_envs) == 16


def test_the_window_has_292_numbers() -> None:
    assert Workload(algo="ppo").vector_env().single_observation_space.shape == (292,)


# --- what is written ---


def run_of(rate: float) -> dict[str, Any]:
    fields = ("slowest_step_s", "memory_mb", "children_memory_mb")
    return {bench.COUNTED: rate, bench.COMPILED: 2 * rate} | dict.fromkeys(fields, 1.0)


def fake(monkeypatch: pytest.MonkeyPatch, **rates: float) -> list[tuple[str, int]]:
    """Have sides report these rates without running; returns who ran, in which repetition."""
    ran: list[tuple[str, int]] = []

    def spawn(side: str, work: dict[str, Any], seconds: float, threads: int) -> dict[str, Any]:
        ran.append((side, work["seed"]))
        if rates.get(side) == 0:
            raise RuntimeError(f"{side} broke")
        return run_of(rates.get(side, 10.0))

    monkeypatch.setattr(bench, "spawn", spawn)
    monkeypatch.setattr(implementations, "missing", lambda side: "")
    return ran


def test_the_file_has_the_names_that_scripts_rely_on(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    fake(monkeypatch, lab=30.0)
    out = tmp_path / "outputs" / "bench.json"
    assert bench.main(["--repeats", "2", "--out", str(out)]) == 0
    written = json.loads(out.read_text())
    for algo in ("ppo", "dqn", "sac"):
        assert {"lab", "rllib_vector", "sb3", "torch_loop"} <= set(written[algo])
        assert written[algo]["lab"] == 30.0
        assert written["detail"][algo]["sb3"]["lab_ratio"] == {"median": 3.0, "min": 3.0, "max": 3.0}
        assert written["detail"][algo]["sb3"]["matmul_share_steady"]["median"] == 2.0


def test_sides_take_turns(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    ran = fake(monkeypatch)
    bench.main(["--algos", "dqn", "--sides", "lab,sb3", "--repeats", "2", "--out", str(tmp_path / "b.json")])
    assert ran == [("lab", 0), ("sb3", 0), ("lab", 1), ("sb3", 1)]


def test_a_side_that_breaks_leaves_the_others_their_figures(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fake(monkeypatch, sb3=0)
    out = tmp_path / "b.json"
    assert bench.main(["--algos", "sac", "--repeats", "1", "--out", str(out)]) == 1
    assert "sb3 broke" in capsys.readouterr().out
    assert "sb3" not in json.loads(out.read_text())["sac"]


def test_figures_of_one_algorithm_leave_those_of_others(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    fake(monkeypatch)
    out = tmp_path / "b.json"
    for algo in ("dqn", "sac"):
        bench.main(["--algos", algo, "--repeats", "1", "--out", str(out)])
    written = json.loads(out.read_text())
    assert set(written["detail"]) == {"dqn", "sac"} == set(written) - {"detail", "machine"}


def test_steps_by_a_program_are_compared_as_long_runs_have_them(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fake(monkeypatch, lab=30.0, lab_compiled=40.0)
    out = tmp_path / "b.json"
    bench.main(["--algos", "dqn", "--repeats", "1", "--out", str(out)])
    detail = json.loads(out.read_text())["detail"]["dqn"]
    assert (detail["sb3"]["lab_ratio"]["median"], detail["sb3"]["lab_ratio_steady"]["median"]) == (3.0, 4.0)
    assert "lab_ratio" not in detail["lab"] and "lab_ratio_steady" not in detail["lab_compiled"]


def test_what_does_not_learn_takes_a_part_of_the_time(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    taken = {}

    def spawn(side: str, work: dict[str, Any], seconds: float, threads: int) -> dict[str, Any]:
        taken[side] = seconds
        return run_of(1.0)

    monkeypatch.setattr(bench, "spawn", spawn)
    bench.main(["--algos", "ppo", "--repeats", "1", "--seconds", "60", "--out", str(tmp_path / "b.json")])
    assert (taken["lab"], taken["matmul"], taken["rllib_sampling"]) == (60, 12, 12)


def test_the_machine_is_told_of_each_algorithm(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    fake(monkeypatch)
    out = tmp_path / "b.json"
    for algo, seconds in (("dqn", "20"), ("sac", "30")):
        bench.main(["--algos", algo, "--repeats", "1", "--seconds", seconds, "--out", str(out)])
    told = json.loads(out.read_text())["machine"]
    assert (told["dqn"]["seconds"], told["sac"]["seconds"]) == (20, 30)


def test_a_second_part_keeps_what_the_first_wrote(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    fake(monkeypatch)
    out = tmp_path / "b.json"
    bench.main(["--algos", "ppo", "--repeats", "1", "--out", str(out)])
    bench.main(["--part", "grow", "--repeats", "1", "--out", str(out)])
    written = json.loads(out.read_text())
    assert written["ppo"]["lab"] == 10.0
    assert written["grow"]["64 envs, 2 runners, window"]["rllib_vector"]["lab_ratio"]["median"] == 1.0


def test_work_that_grows_never_has_a_batch_below_a_few_minibatches() -> None:
    for work, _ in implementations.grow_groups().values():
        assert work["num_envs"] * work["fragment"] >= 4096


def test_a_table_leaves_empty_what_was_not_measured() -> None:
    told = bench.summary({"sb3": {0: run_of(1234.0)}})
    assert (
        markdown_tables.group(told)
        .splitlines()[-1]
        .startswith("|sb3|1,234 (1,234 to 1,234)|2,468 (2,468 to 2,468)||||")
    )


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--algos", "a2c"], "ppo, dqn, sac, not a2c"),
        (["--sides", "lab,sb4"], "matmul, not sb4"),
        (["--repeats", "0"], "--repeats must be above 0"),
        (["--seconds", "-1"], "--seconds must be above 0, got -1"),
        (["--threads", "0"], "--threads must be above 0"),
    ],
)
def test_what_cannot_be_measured_is_refused(
    arguments: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        bench.parse(arguments)
    assert told in capsys.readouterr().err


# --- one short run ---


@pytest.mark.slow
@pytest.mark.parametrize(
    ("algo", "side"), [(algo, side) for algo, all_ in implementations.SIDES.items() for side in all_]
)
def test_every_side_runs(algo: str, side: str) -> None:
    if reason := implementations.missing(side):
        pytest.skip(reason)
    work = {"algo": algo, "num_envs": 8, "fragment": 128 if algo == "ppo" else 32, "fill": 1024}
    found = bench.spawn(side, work, 0.5, 1)
    assert found[bench.COUNTED] > 0
    assert found["env_steps"] >= 256
    assert (found["observation"], found["threads"]) == (292, 1)


@pytest.mark.slow
@pytest.mark.parametrize("side", [*implementations.SAMPLING, implementations.MATMUL])
def test_sampling_and_the_limit_run(side: str) -> None:
    if reason := implementations.missing(side):
        pytest.skip(reason)
    assert bench.spawn(side, {"algo": "ppo"}, 0.5, 1)[bench.COUNTED] > 0
