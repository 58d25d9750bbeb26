"""Drawn stretches: prices on a stretch of time around a change of clocks, for property tests of readers."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

quick = settings(max_examples=6, suppress_health_check=[HealthCheck.function_scoped_fixture])

# Days before the clock changes of America, Europe and Australia, and an ordinary day.
DAYS = [(2024, 3, 9), (2024, 11, 2), (2023, 3, 25), (2023, 10, 28), (2024, 4, 6), (2024, 10, 5), (2024, 7, 1)]


@st.composite
def stretches(draw: st.DrawFn, minutes: int, fewest: int = 12) -> tuple[datetime, list[float]]:
    start = datetime(*draw(st.sampled_from(DAYS)), tzinfo=UTC)
    start += timedelta(minutes=minutes * draw(st.integers(0, 8 * 60 // minutes)))
    hours = draw(st.integers(24, 44))
    count = max(hours * 60 // minutes, fewest)
    seed = draw(st.integers(0, 2**32 - 1))
    # From the floor of AEMO's market, below which its reader refuses prices.
    return start, np.random.default_rng(seed).normal(80, 300, count).clip(min=-1000).tolist()
