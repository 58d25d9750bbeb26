"""Snake case: the name of a class as the options of conf/ are written."""

from __future__ import annotations

import re


def snake_case(class_name: str) -> str:
    """Return the name of a class in lower case, its words separated: bid_curves for BidCurves, ppo for PPO."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", class_name).lower()
