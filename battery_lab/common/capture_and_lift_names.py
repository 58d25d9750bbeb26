"""Names of the metrics ``capture`` and ``lift_over_rule``, which ``experiment.policy_metrics`` computes."""

from __future__ import annotations

CAPTURE, LIFT = "capture", "lift_over_rule"
