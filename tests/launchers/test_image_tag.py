"""Image tag: the script that builds and pushes the image derives it from the content of all inputs."""

from __future__ import annotations

import os
import shutil
import subprocess

import pytest

from tests.serving.image_without_docker import ROOT, copies

STUB = """#!/bin/sh
echo "$(basename "$0") $*" >> {log}
case "$*" in
*get-caller-identity*) echo 123456789012;;
*describe-images*) exit 1;;
esac
"""


@pytest.fixture
def build(tmp_path):
    """A copy of the container files, and a function that builds from it with stand-ins for docker and aws."""
    project, tools = tmp_path / "project", tmp_path / "tools"
    for source in [*(source for source, _ in copies()), "launchers/container"]:
        target = project / source
        target.parent.mkdir(parents=True, exist_ok=True)
        if (ROOT / source).is_dir():
            shutil.copytree(ROOT / source, target, dirs_exist_ok=True)
        else:
            shutil.copy(ROOT / source, target)
    tools.mkdir()
    for name in ("aws", "docker"):
        (tools / name).write_text(STUB.format(log=tmp_path / "log"))
        (tools / name).chmod(0o755)

    def run(*arguments, **more):
        (tmp_path / "log").unlink(missing_ok=True)
        done = subprocess.run(
            [project / "launchers" / "container" / "build_and_push.sh", *arguments],
            env=os.environ | {"PATH": f"{tools}{os.pathsep}{os.environ['PATH']}"} | more,
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout.splitlines()[-1].rpartition("=")[2], (tmp_path / "log").read_text()

    return project, run


def test_image_tag_depends_on_the_content(build):
    _, run = build
    image, log = run("eu-west-1", BASE="python@sha256:0")
    assert image.startswith("123456789012.dkr.ecr.eu-west-1.amazonaws.com/battery_lab:")
    assert f"docker push {image}" in log
    assert f"--build-arg BASE=python@sha256:0 --tag {image} ." in log
    assert run("eu-west-1", BASE="python@sha256:0")[0] == image
    assert run("eu-west-1")[0] != image


@pytest.mark.parametrize("source", [source for source, _ in copies()])
def test_change_of_any_copied_file_changes_the_tag(build, source):
    project, run = build
    before, _ = run("eu-west-1")
    changed = project / source
    changed = min(changed.glob("*.py")) if changed.is_dir() else changed
    changed.write_text(changed.read_text() + "\n# another\n")
    assert run("eu-west-1")[0] != before
