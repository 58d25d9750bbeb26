"""The command: its address file, and how it exits."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time

import pytest
from botocore.exceptions import ClientError
from sagemaker_emulator import Emulator, connect, namespaces_work

from tests.sagemaker_emulator.stub_jobs import Lab, until
from tests.sagemaker_emulator.test_jobs import alive

RAN = namespaces_work() is None


def test_help_lists_what_is_not_modelled():
    process = subprocess.run([sys.executable, "-m", "sagemaker_emulator", "--help"], capture_output=True, text=True)
    assert process.returncode == 0 and "Not modelled" in process.stdout and "--spot-discount" in process.stdout
    wrong = [sys.executable, "-m", "sagemaker_emulator", "--work", "x", "--quota", "many"]
    process = subprocess.run(wrong, capture_output=True, text=True)
    assert process.returncode == 2 and "must be NAME=NUMBER, not 'many'" in process.stderr


def test_only_the_user_can_read_the_address_which_is_removed_at_the_end(tmp_path):
    with Emulator(tmp_path) as emulator:
        path = tmp_path / "address.json"
        assert path.stat().st_mode & 0o777 == 0o600
        other = connect(tmp_path)
        assert other.endpoint_url == emulator.endpoint_url and other.credentials == emulator.credentials
        assert other.endpoint_url.startswith("http://127.0.0.1:")
        port = int(other.endpoint_url.rpartition(":")[2])
        outside = socket.create_server(("127.0.0.2", port))  # free: it listens on one address only
        outside.close()
        impatient = emulator.client("sagemaker", retries={"total_max_attempts": 1})
        with pytest.raises(ClientError, match="Rate exceeded"):  # of what is limited without a word
            for _ in range(4):
                impatient.list_training_jobs()
    assert not path.exists()
    with pytest.raises(FileNotFoundError):
        connect(tmp_path)
    with pytest.raises(RuntimeError, match="invalid choice: 'none'"), Emulator(tmp_path, isolation="none"):
        pass


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_jobs_end_with_the_emulator(tmp_path, how):
    with Emulator(tmp_path, isolation="namespaces" if RAN and how == signal.SIGTERM else "plain") as emulator:
        lab = Lab(emulator)
        name = lab.start(lab.request("family"))
        lab.ready(name)
        family = under(emulator.pid)
        assert len(family) >= 5
        os.kill(emulator.pid, how)
        until(lambda: not any(alive(pid) for pid in [emulator.pid, *family]), "something is left")
        with pytest.raises(OSError):
            socket.create_connection(("127.0.0.1", int(emulator.endpoint_url.rpartition(":")[2]))).close()


def under(pid):
    """Return the descendants of a process."""
    parents = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                with open(f"/proc/{entry}/stat") as file:
                    parents.setdefault(int(file.read().rpartition(")")[2].split()[1]), []).append(int(entry))
            except OSError:
                continue
    processes = list(parents.get(pid, []))
    for process in processes:
        processes += parents.get(process, [])
    return processes


def test_an_idle_emulator_exits(tmp_path):
    with Emulator(tmp_path, idle=5) as emulator:
        lab = Lab(emulator)
        name = lab.start(lab.waiting())
        time.sleep(5.5)  # with a running job and without requests
        assert lab.stop(name)["TrainingJobStatus"] == "Stopped"
        until(lambda: not alive(emulator.pid), "it does not end")
    assert not (tmp_path / "address.json").exists()
