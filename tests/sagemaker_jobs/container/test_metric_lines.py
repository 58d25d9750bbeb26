"""The service finds a job's figures in the lines that it prints."""

from __future__ import annotations

import math
import re

import pytest
from sagemaker_jobs.container.metric_lines import definitions, line, reported_metrics

NAMES = reported_metrics(("profit_per_day", "revenue_per_day", "equivalent_full_cycles_per_day"))


def found(text):
    """What CloudWatch would make of a line."""
    hits = {each["Name"]: re.search(each["Regex"], text) for each in definitions(NAMES)}
    return {name: float(hit[1]) for name, hit in hits.items() if hit}


def test_each_figure_of_a_line_is_found():
    figures = {name: value for name, value in zip(NAMES, (7, -0.25, 1e-9, -3.5e20, 0.0, 1234567.875), strict=False)}
    told = line(figures, NAMES, env_steps=7)
    assert found(told) == pytest.approx({name.replace("/", ":"): value for name, value in figures.items()})


def test_what_is_no_number_is_left_out():
    told = line(
        {"train/reward_mean": math.nan, "validation/capture": math.inf, "learner/entropy": 1.5}, NAMES, env_steps=9
    )
    assert found(told) == {"env_steps": 9, "learner:entropy": 1.5}


def test_other_lines_have_no_figures():
    assert found("   33,021 steps  27,323/s  reward -0.0331  env_steps=4") == {}


def test_the_service_takes_them_all():
    assert len(definitions(NAMES)) <= 40
    assert all(len(each["Regex"]) <= 500 for each in definitions(NAMES))
