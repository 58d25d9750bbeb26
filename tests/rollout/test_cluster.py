"""The Ray of a training: out of reach for other machines, and without a trace in the home folder."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

from ray.tune.trainable import Trainable, trainable

from battery_lab.rollout.cluster import without_results_folder

ROOT = Path(__file__).parents[2]
PORTS = """
import json, ray
from battery_lab.rollout.cluster import start_ray
start_ray(0)
node, = ray.nodes()
gcs = ray.get_runtime_context().gcs_address.rpartition(":")[2]
print(json.dumps([int(gcs), node["NodeManagerPort"], node["ObjectManagerPort"]]), flush=True)
input()
"""


def answers(address: str, port: int) -> bool:
    with socket.socket() as connection:
        connection.settimeout(5)
        return connection.connect_ex((address, port)) == 0


def test_ray_answers_on_loopback_alone():
    process = subprocess.Popen(
        [sys.executable, "-c", PORTS],
        cwd=ROOT, env=os.environ | {"OMP_NUM_THREADS": "1"}, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        ports = json.loads(process.stdout.readline())
        assert len(ports) == 3
        for port in ports:
            assert answers("127.0.0.1", port)
            # Also on this machine, and open to it on a server that listens to every address.
            assert not answers("127.0.0.2", port), port
    finally:
        process.communicate("\n", timeout=60)


def test_an_algorithm_leaves_no_folder_of_results(tmp_path, monkeypatch):
    monkeypatch.setattr(trainable, "DEFAULT_STORAGE_PATH", str(tmp_path / "ray_results"))
    with without_results_folder():
        made = Path(Trainable({}).logdir)
    assert not made.exists()
    assert list(tmp_path.iterdir()) == []
    assert str(tmp_path / "ray_results") == trainable.DEFAULT_STORAGE_PATH
