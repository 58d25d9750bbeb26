"""Refused Ray trials: a node checks that source and folder are the launcher's before it unpickles a job."""

from __future__ import annotations

import cloudpickle
import pytest
from hydra_plugins.battery_lab_launchers._ray_worker import run_received_trial

from battery_lab.common.errors import LabError
from battery_lab.sweep.lab_version import lab_source_digest


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"folder": "/nowhere"}, "cannot access /nowhere: put outputs= on"),
        ({"source": "x"}, "has another version of the lab or its packages than the launcher"),
    ],
)
def test_a_node_that_cannot_run_a_trial_reports_it_before_unpickling_the_job(tmp_path, change, message):
    content = {"folder": str(tmp_path), "source": lab_source_digest(), "job": b"no pickle"} | change
    with pytest.raises(LabError, match=message):
        run_received_trial(cloudpickle.dumps(content))
    assert list(tmp_path.iterdir()) == []
