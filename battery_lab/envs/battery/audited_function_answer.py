"""Decision answer: the check of what a decision function of another program returns."""

from __future__ import annotations

import numpy as np

from battery_lab.common.errors import ConfigError


def read_decision(answer: object, bids: bool) -> tuple[float, ...]:
    """Return what a decision function returned: a request in MW, or a bid and an offer per MWh.

    Raises:
        ConfigError: it is neither.
    """
    try:
        # Texts and truth values would be numbers to NumPy.
        is_numeric = np.asarray(answer).dtype.kind in "iuf"
        numbers = tuple(np.asarray(answer, np.float64).reshape(-1).tolist()) if is_numeric else ()
    except (TypeError, ValueError):
        numbers = ()
    if bids and len(numbers) == 2 and not np.isnan(numbers).any() and not (numbers[0] > numbers[1] == -np.inf):
        return numbers
    if not bids and len(numbers) == 1 and np.isfinite(numbers[0]):
        return numbers
    expected = "a bid and an offer per MWh (env.actions=bids)" if bids else "a request in MW, a finite number"
    remedy = "for a bid and an offer, set env.actions=bids" if len(numbers) == 2 and not bids else "change its result"
    raise ConfigError(f"decide must return {expected}, got {answer!r}: {remedy}")
