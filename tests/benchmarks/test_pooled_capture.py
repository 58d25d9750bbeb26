"""Pooled capture: profits of several test periods become one."""

from __future__ import annotations

import json

import pytest

from battery_lab.common.errors import ConfigError
from benchmarks.pooled_capture import Period, main, pool


def write_run(folder, days, profit, optimum):
    folder.mkdir()
    (folder / "trial.yaml").write_text(f"env:\n  test_days: {days}\n")
    metrics = {"test/profit_per_day": profit, "baseline/perfect_foresight/profit_per_day": optimum}
    (folder / "metrics.json").write_text(json.dumps(metrics))
    return str(folder)


def test_long_periods_count_more():
    assert pool([Period(10, 1.0, 2.0), Period(30, 5.0, 6.0)]) == (40, 4.0, 5.0)


def test_the_capture_of_all_periods_is_printed(tmp_path, capsys):
    main([write_run(tmp_path / "a", 30, 1000.0, 2000.0), write_run(tmp_path / "b", 30, 3000.0, 4000.0)])
    assert capsys.readouterr().out == "2 runs, 60 days: 2,000 per day of 3,000, capture 0.667\n"


def test_a_folder_without_results_is_refused_by_name(tmp_path):
    with pytest.raises(
        ConfigError, match=r"unfinished must be the folder of a finished run, and holds no metrics\.json"
    ):
        main([str(tmp_path / "unfinished")])
    with pytest.raises(ConfigError, match="the folders of the runs must be given"):
        main([])
