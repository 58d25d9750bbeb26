"""Image of SageMaker jobs: its part of the lab serves a model, as SageMaker starts it."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import time

import pytest

from tests.serving.exported_policies import exported, seen
from tests.serving.image_without_docker import CONTAINER, ROOT, container, copies, lay_out, start


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return lay_out(tmp_path_factory.mktemp("image"))


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A trained policy, and the folder that stands for /opt/ml."""
    base = tmp_path_factory.mktemp("ml")
    policy, _ = exported(base)
    return policy, base


@pytest.mark.walk
def test_model_is_served_until_sigterm(root, trained):
    policy, base = trained
    with container(root, base) as (client, process, line):
        assert line.startswith("serving ppo on ")
        status, response = client.ask(body={"instances": seen(5).tolist()})
        assert status == 200, response
        assert [one["action"] for one in response["predictions"]] == policy(seen(5)).tolist()
        process.send_signal(signal.SIGTERM)
        more, _ = process.communicate(timeout=20)
        assert (process.returncode, more) == (0, "")


@pytest.mark.walk
def test_missing_model_ends_the_container_with_an_error(root, tmp_path):
    (tmp_path / "model").mkdir()
    with container(root, tmp_path) as (_, process, line):
        more, _ = process.communicate(timeout=20)
        assert (process.returncode, more) == (1, "")
        assert line.startswith(f"error: {tmp_path}/model/model.json cannot be read: ")


@pytest.mark.walk
@pytest.mark.parametrize("after_s", [0.1, 0.25, 0.4])
def test_sigterm_during_startup_ends_the_container(root, trained, after_s):
    _, base = trained
    process = start(root, base, "serve")
    try:
        time.sleep(after_s)
        process.send_signal(signal.SIGTERM)
        output, _ = process.communicate(timeout=20)
    finally:
        process.kill()
    assert process.returncode in (0, -signal.SIGTERM) and "Traceback" not in output, output


def test_container_listens_on_all_addresses_by_default(root, tmp_path):
    (tmp_path / "python").write_text('#!/bin/sh\necho "$PWD: $*"\n')
    (tmp_path / "python").chmod(0o755)
    scripts = root / "usr" / "local" / "bin"
    path = os.pathsep.join([str(scripts), str(tmp_path), os.environ["PATH"]])
    for environment, port in (({}, 8080), ({"SAGEMAKER_BIND_TO_PORT": "8123"}, 8123)):
        done = subprocess.run(
            [scripts / "start", "serve"], env={"PATH": path, **environment}, capture_output=True, text=True
        )
        assert done.stdout == f"{root}/opt/lab: -m battery_lab.serving /opt/ml/model 0.0.0.0 {port}\n"


@pytest.mark.walk
def test_invalid_port_is_an_error(root, trained):
    command = [sys.executable, "-m", "battery_lab.serving", trained[1] / "model", "127.0.0.1", "web"]
    done = subprocess.run(command, cwd=root / "opt" / "lab", capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "error: port must be a whole number from 0 (any free port) to 65535, got 'web'\n"


def test_scripts_of_the_image_are_copied_last():
    # Ray installs a command named serve, too.
    text = (CONTAINER / "Dockerfile").read_text()
    assert text.index("container/serve /usr/local/bin/") > text.rindex("pip install")


def test_copied_files_exist_and_are_not_ignored():
    kept = [line[1:] for line in (CONTAINER / "Dockerfile.dockerignore").read_text().split() if line.startswith("!")]
    for source, _ in copies():
        assert (ROOT / source).exists(), source
        assert source in kept
    assert sorted(kept) == sorted(source for source, _ in copies())


@pytest.mark.parametrize("name", ["start", "serve", "build_and_push.sh"])
def test_scripts_are_executable(name):
    assert (CONTAINER / name).stat().st_mode & stat.S_IXUSR
