"""Names of the metrics that the lab adds to those of every environment; ``experiment.metrics`` computes them."""

from __future__ import annotations

CAPTURE, LIFT = "capture", "lift_over_rule"
