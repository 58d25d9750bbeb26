"""Connection to AWS: the extra that it needs."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.launchers.kill_harness import PATHS


@pytest.mark.walk
def test_a_missing_extra_is_reported_with_the_command_that_installs_it(tmp_path):
    (tmp_path / "boto3.py").write_text("raise ModuleNotFoundError(\"No module named 'boto3'\", name='boto3')")
    variables = os.environ | {"PYTHONPATH": os.pathsep.join([str(tmp_path), *PATHS])}
    command = [sys.executable, "-m", "battery_lab", "--multirun", "seed=0,1", "launcher=sagemaker"]
    done = subprocess.run(command, cwd=tmp_path, env=variables, capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stderr
    assert done.stderr.splitlines()[-1] == (
        "error: launcher=sagemaker needs the extra aws, which is not installed (no boto3): make setup-aws"
    )
