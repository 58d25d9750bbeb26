"""The README's own files: taken from the page, put where it says, composed and trained."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.compositions import SMALL, write_market

README = Path(__file__).parents[1] / "README.md"
FILE = re.compile(r"<!-- file: (?P<path>\S+) -->\n```\w+\n(?P<text>.*?)```", re.DOTALL)
TINY = ("train.env_steps=512", "train.validate_every=512", "network.hidden=[8]", "tracking=none")


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A folder with the files that the README shows."""
    folder = tmp_path_factory.mktemp("project")
    found = FILE.findall(README.read_text())
    assert [path for path, _ in found] == [
        "my_lab/switching.py",
        "my_lab/conf/reward/calm.yaml",
        "my_lab/momentum.py",
        "my_lab/conf/observation/momentum.yaml",
        "my_lab/impala.py",
        "my_lab/conf/algo/impala.yaml",
    ]
    for path, text in found:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)
    return folder


@pytest.mark.parametrize(
    "chosen",
    [
        ("reward=calm", "observation=momentum", "algo.num_envs=4", "algo.fragment=64", "algo.minibatch=128"),
        # Its runners are processes of their own, which start slowly.
        pytest.param(("algo=impala", "algo.num_envs=8", "algo.fragment=16"), marks=pytest.mark.slow),
    ],
    ids=["reward and observation", "algorithm"],
)
def test_what_the_readme_adds_trains(project, chosen):
    run = project / chosen[0].replace("=", "_")
    command = [sys.executable, "-m", "battery_lab", "--config-dir", "my_lab/conf", f"hydra.run.dir={run}"]
    command += [*write_market(project / "data"), *SMALL, *TINY, *chosen]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(project), str(README.parent)])}
    done = subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stdout + done.stderr
    metrics = json.loads((run / "metrics.json").read_text())
    assert metrics["train/env_steps"] >= 512
    if "reward=calm" in chosen:
        assert "reward_terms/switching" in (run / "curves.jsonl").read_text()


def test_the_readme_has_no_figure_left_to_fill_in():
    assert "@@" not in README.read_text()
