"""Decision answer: numbers are accepted, anything else is named."""

from __future__ import annotations

import numpy as np
import pytest

from battery_lab.common.errors import ConfigError
from battery_lab.envs.battery.audited_function_answer import read_decision


@pytest.mark.parametrize("answer", [3, -10.0, np.float32(2.5), np.array([4.0]), [5.0]])
def test_a_request_may_be_any_kind_of_number(answer):
    assert read_decision(answer, bids=False) == (float(np.ravel(answer)[0]),)


@pytest.mark.parametrize("answer", [(20, 30.0), [50.0, 40.0], np.array([1.0, 2.0]), (-np.inf, np.inf)])
def test_a_pair_is_a_bid_and_an_offer(answer):
    assert read_decision(answer, bids=True) == tuple(map(float, answer))


@pytest.mark.parametrize(
    ("answer", "bids", "message"),
    [
        (None, False, "decide must return a request in MW, a finite number, got None: change its result"),
        ("5", False, "got '5'"),
        (True, False, "got True"),
        (1j, False, "got 1j"),
        ([[1.0], [2.0, 3.0]], False, "got"),
        ("hold", False, "decide must return a request in MW.*got 'hold'"),
        (np.nan, False, "got nan"),
        (np.inf, False, "got inf"),
        ((20.0, 30.0), False, r"got \(20.0, 30.0\): for a bid and an offer, set env.actions=bids"),
        (10.0, True, r"decide must return a bid and an offer per MWh \(env.actions=bids\), got 10.0"),
        ((20.0, np.nan), True, "got"),
        ((np.inf, -np.inf), True, "got"),
    ],
)
def test_anything_else_is_an_error(answer, bids, message):
    with pytest.raises(ConfigError, match=message):
        read_decision(answer, bids)
