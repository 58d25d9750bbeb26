"""The entry point of a job: signals and the status of the trial."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys

from tests.launchers.kill_harness import ROOT
from tests.launchers.stub_hydra_app import until

TRIAL = """
import json, os, signal, subprocess, sys, time
helper = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
def stop(*_):
    time.sleep(0.3)
    print(json.dumps({"helper": helper.poll()}), flush=True)
    helper.kill()
    sys.exit(143)
signal.signal(signal.SIGTERM, stop)
print("ready", flush=True)
time.sleep(60)
"""


def entry_point(tmp_path, trial):
    """Return the entry point of a job that runs another script as its trial."""
    package = tmp_path / "sagemaker_jobs" / "container"
    package.mkdir(parents=True)
    for folder in (package, package.parent):
        (folder / "__init__.py").touch()
    (package / "run_trial.py").write_text(trial)
    entry = tmp_path / "sagemaker_entry.py"
    entry.write_bytes((ROOT / "launchers" / "sagemaker_entry.py").read_bytes())
    return entry


def test_sigterm_reaches_the_trial_but_not_its_helper_processes(tmp_path):
    entry = entry_point(tmp_path, TRIAL)
    output = tmp_path / "output.txt"
    with output.open("w") as file:
        process = subprocess.Popen([sys.executable, str(entry)], stdout=file, process_group=0)
    until(lambda: "ready" in output.read_text())
    os.killpg(process.pid, signal.SIGTERM)
    assert process.wait(30) == 143
    assert json.loads(output.read_text().splitlines()[-1]) == {"helper": None}


def test_the_status_of_a_killed_trial_is_passed_on(tmp_path):
    entry = entry_point(tmp_path, "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)\n")
    assert subprocess.run([sys.executable, str(entry)], check=False).returncode == 137
