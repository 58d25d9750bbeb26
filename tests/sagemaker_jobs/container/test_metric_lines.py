"""The service finds the metrics of a job in the lines that it prints."""

from __future__ import annotations

import math
import re

import pytest
from sagemaker_jobs.container.metric_lines import metric_definitions, metric_line, reported_metrics

NAMES = reported_metrics(("profit_per_day", "revenue_per_day", "equivalent_full_cycles_per_day"))


def metrics_in(text):
    """Return the metrics that CloudWatch finds in a line."""
    matches = {each["Name"]: re.search(each["Regex"], text) for each in metric_definitions(NAMES)}
    return {name: float(match[1]) for name, match in matches.items() if match}


def test_every_metric_of_a_line_is_found():
    metrics = {name: value for name, value in zip(NAMES, (7, -0.25, 1e-9, -3.5e20, 0.0, 1234567.875), strict=False)}
    text = metric_line(metrics, NAMES, env_steps=7)
    assert metrics_in(text) == pytest.approx({name.replace("/", ":"): value for name, value in metrics.items()})


def test_values_that_are_not_finite_are_left_out():
    values = {"train/reward_mean": math.nan, "validation/capture": math.inf, "learner/entropy": 1.5}
    text = metric_line(values, NAMES, env_steps=9)
    assert metrics_in(text) == {"env_steps": 9, "learner:entropy": 1.5}


def test_other_lines_contain_no_metrics():
    assert metrics_in("   33,021 steps  27,323/s  reward -0.0331  env_steps=4") == {}


def test_definitions_are_within_the_limits_of_the_service():
    assert len(metric_definitions(NAMES)) <= 40
    assert all(len(each["Regex"]) <= 500 for each in metric_definitions(NAMES))
