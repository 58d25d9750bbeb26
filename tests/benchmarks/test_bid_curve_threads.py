"""Bid curve threads: the model of threads, its tables, and one real measurement."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.bid_curve_threads import (
    BATCH,
    KERNEL,
    NETWORK,
    PASS,
    SERIAL,
    modelled_seconds,
    serial_fraction,
    table,
)
from benchmarks.clock_and_rates import spread
from benchmarks.command_times import run_python


@pytest.mark.parametrize(("several", "fraction"), [(5.0, 0.0), (10.0, 1.0), (6.0, 0.2), (4.0, 0.0), (11.0, 1.0)])
def test_serial_fraction_of_two_threads(several: float, fraction: float) -> None:
    assert serial_fraction(10.0, several, 2) == pytest.approx(fraction)


def test_a_model_with_as_many_threads_as_were_measured_returns_the_measurement() -> None:
    fraction = serial_fraction(10.0, 6.0, 2)
    assert modelled_seconds(10.0, fraction, 2, 16) == pytest.approx(6.0)
    assert modelled_seconds(10.0, fraction, 1, 16) == pytest.approx(10.0)


def test_a_thread_takes_whole_slices() -> None:
    assert modelled_seconds(16.0, 0.0, 15, 16) == modelled_seconds(16.0, 0.0, 8, 16) == 2.0
    assert modelled_seconds(16.0, 0.0, 64, 16) == modelled_seconds(16.0, 0.0, 16, 16) == 1.0
    assert modelled_seconds(16.0, 0.0, 64, 64) == 0.25


def test_tables_show_measured_and_modelled_seconds() -> None:
    one = {PASS: [3.0, 2.0], KERNEL: [1.2, 1.0], NETWORK: [0.9, 0.8], SERIAL: [0.3, 0.2], BATCH: [16.0, 16.0]}
    two = {PASS: [1.2, 1.4], KERNEL: [1.3, 1.2], NETWORK: [1.0, 0.9], BATCH: [16.0, 16.0]}
    measured = {
        name: {key: spread(values) for key, values in parts.items()} for name, parts in (("1", one), ("2", two))
    }
    text = table(measured)
    assert "|1|2.000|1.000|0.800|0.200|" in text
    assert "|2|1.200|1.200|0.900||" in text
    assert "serial fraction of the parts: 0.100" in text
    assert "serial fraction from 1 and 2 threads: 0.200" in text
    assert "|64|0.312|0.228|0.500|0.425|" in text


@pytest.mark.walk
def test_real_passes_are_measured(tmp_path: Path) -> None:
    # In a process of its own, as the measurement replaces functions of torch.
    task = json.dumps({"workers": 1, "outputs": str(tmp_path)})
    seconds = json.loads(run_python("-m", "benchmarks.bid_curve_threads", task).splitlines()[-1])
    assert seconds[KERNEL] + seconds[NETWORK] + seconds[SERIAL] == pytest.approx(seconds[PASS])
    assert min(seconds[KERNEL], seconds[NETWORK], seconds[SERIAL]) > 0
