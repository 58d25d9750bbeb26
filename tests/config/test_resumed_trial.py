"""Resumed trials: a run may be resumed with another bound on filled prices, and not as another trial."""

from __future__ import annotations

import pytest
from omegaconf import OmegaConf

from battery_lab.common.errors import LabError
from battery_lab.config.compose import compose
from battery_lab.config.stored_trial import check_resumed, store_trial


def test_an_option_that_only_refuses_data_may_change(tmp_path):
    before = compose([])
    # As an earlier version stored it.
    OmegaConf.set_struct(before, False)
    del before.env["max_filled_h"]
    store_trial(before, tmp_path)
    check_resumed(compose([]), tmp_path)
    check_resumed(compose(["env.max_filled_h=null"]), tmp_path)
    with pytest.raises(LabError, match=r"env\.test_days cannot change with resume="):
        check_resumed(compose(["env.max_filled_h=null", "env.test_days=3"]), tmp_path)
