"""Ray runtime: unreachable from other machines, and no files in the home folder."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from ray.tune.trainable import Trainable, trainable

from battery_lab.common.errors import ConfigError
from battery_lab.rllib import ray_runtime
from battery_lab.rllib.ray_runtime import start_ray, without_results_folder

ROOT = Path(__file__).parents[2]
PORTS = """
import json, ray
from battery_lab.rllib.ray_runtime import start_ray
start_ray(0)
node, = ray.nodes()
gcs = ray.get_runtime_context().gcs_address.rpartition(":")[2]
print(json.dumps([int(gcs), node["NodeManagerPort"], node["ObjectManagerPort"]]), flush=True)
input()
assert ray.get(ray.remote(lambda: 5).remote()) == 5
"""
STRANGER = """
import sys
from ray._raylet import GcsClient
print(GcsClient(address=sys.argv[1]).internal_kv_keys(b"", None, 5))
"""


def answers(address: str, port: int) -> bool:
    with socket.socket() as connection:
        connection.settimeout(5)
        return connection.connect_ex((address, port)) == 0


def descendants(process: int) -> Iterator[int]:
    for path in Path(f"/proc/{process}/task").glob("*/children"):
        for child in map(int, path.read_text().split()):
            yield child
            yield from descendants(child)


def command_of(process: int) -> str:
    """Return the program and the first of its arguments."""
    return " ".join(Path(f"/proc/{process}/cmdline").read_text().split("\0")[:3])


def environment(home: Path, **more: str) -> dict[str, str]:
    own = {name: value for name, value in os.environ.items() if not name.startswith("RAY_AUTH")}
    return own | {"OMP_NUM_THREADS": "1", "HOME": str(home)} | more


@pytest.fixture
def other(tmp_path):
    """Start Ray in another process; return its process id and its ports, the control service first."""
    process = subprocess.Popen(
        [sys.executable, "-c", PORTS],
        cwd=ROOT, env=environment(tmp_path), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    yield process.pid, json.loads(process.stdout.readline())
    process.communicate("\n", timeout=60)
    assert process.returncode == 0


@pytest.mark.walk
def test_ray_listens_on_loopback_only_and_needs_its_token(other, tmp_path):
    process, ports = other
    assert len(ports) == 3
    for port in ports:
        assert answers("127.0.0.1", port)
        # Another address of this machine, on which a server that listens on all addresses would answer.
        assert not answers("127.0.0.2", port), port
    assert not (tmp_path / ".ray").exists()
    for mode in ({"RAY_AUTH_MODE": "disabled"}, {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": "0" * 64}):
        stranger = subprocess.run(
            [sys.executable, "-c", STRANGER, f"127.0.0.1:{ports[0]}"],
            cwd=ROOT, env=environment(tmp_path, **mode), capture_output=True, text=True, timeout=60,
        )  # fmt: skip
        assert stranger.returncode == 1
        assert "AuthenticationError" in stranger.stderr, stranger.stderr
    # No task has been sent, so no idle Python worker may have been started.
    helpers = [command_of(child) for child in descendants(process)]
    assert any("raylet" in helper for helper in helpers)
    assert not [helper for helper in helpers if "ray::IDLE" in helper or "default_worker" in helper]


def test_algorithms_leave_no_results_folder(tmp_path, monkeypatch):
    monkeypatch.setattr(trainable, "DEFAULT_STORAGE_PATH", str(tmp_path / "ray_results"))
    with without_results_folder():
        made = Path(Trainable({}).logdir)
    assert not made.exists()
    assert list(tmp_path.iterdir()) == []
    assert str(tmp_path / "ray_results") == trainable.DEFAULT_STORAGE_PATH


@pytest.mark.parametrize(
    ("owner", "cores", "done"),
    [(ray_runtime.NAMESPACE, 4, []), (ray_runtime.NAMESPACE, 3, ["shutdown", 5]), ("other", 4, [])],
    ids=["large enough", "too small", "cluster of others"],
)
def test_ray_with_too_few_cores_is_restarted(monkeypatch, owner, cores, done):
    calls = fake_ray(monkeypatch, owner, cores)
    start_ray(4)
    assert calls == done


def test_cluster_with_too_few_cores_is_an_error(monkeypatch):
    calls = fake_ray(monkeypatch, ray_runtime.JOINED, 3)
    with pytest.raises(ConfigError, match=r"num_env_runners \+ algo\.num_learners must be at most 3, .* got 4"):
        start_ray(4)
    assert calls == []


def fake_ray(monkeypatch, owner, cores):
    """Replace ray by a fake that runs already; return the list of calls to it."""
    seen = []
    fake = SimpleNamespace(
        is_initialized=lambda: True,
        get_runtime_context=lambda: SimpleNamespace(namespace=owner),
        cluster_resources=lambda: {"CPU": float(cores)},
        shutdown=lambda: seen.append("shutdown"),
        init=lambda **options: seen.append(options["num_cpus"]),
    )
    monkeypatch.setattr(ray_runtime, "ray", fake)
    monkeypatch.setattr(ray_runtime.os, "cpu_count", lambda: 2)
    return seen
