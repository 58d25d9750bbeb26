"""The image without docker: its files, as the Dockerfile places them, below another root."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sysconfig
import threading
from contextlib import contextmanager
from pathlib import Path

from tests.launchers.stub_hydra_app import until
from tests.serving.served_policy import Client

ROOT = Path(__file__).parents[2]
CONTAINER = ROOT / "launchers" / "container"
OWN = sysconfig.get_path("scripts")


def copies():
    """Return what the Dockerfile copies from the project: pairs of source and target."""
    lines = re.findall(r"^COPY (.+) (/\S+)$", (CONTAINER / "Dockerfile").read_text(), re.MULTILINE)
    return [(source, target) for sources, target in lines for source in sources.split()]


def lay_out(root: Path) -> Path:
    """Copy the files below a root."""
    for source, target in copies():
        place = root / target.lstrip("/")
        if (ROOT / source).is_dir():
            shutil.copytree(ROOT / source, place, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            place.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / source, place)
    return root


def start(root: Path, base: Path, *words: str, programs: str = OWN) -> subprocess.Popen[str]:
    """Start the image as SageMaker does.

    Args:
        root: the files of the image.
        base: stands for /opt/ml.
        words: the arguments that SageMaker passes, such as ``train``.
        programs: folder of its Python.
    """
    path = os.pathsep.join([str(root / "usr" / "local" / "bin"), programs, os.environ["PATH"]])
    # On a loopback address and any free port.
    variables = {
        "PATH": path,
        "SAGEMAKER_BASE_DIR": str(base),
        "SAGEMAKER_BIND_TO_PORT": "0",
        "SERVE_HOST": "127.0.0.1",
    }
    # As in the Dockerfile, and without a wait for a host name that does not exist here.
    variables |= {"PYTHONUNBUFFERED": "1", "RLLIB_TEST_NO_TF_IMPORT": "1", "SM_STUDIO_LOCAL_MODE": "True"}
    kept = {name: os.environ[name] for name in ("HOME", "LANG", "LD_LIBRARY_PATH") if name in os.environ}
    return subprocess.Popen(
        ["start", *words],
        executable=str(root / "usr" / "local" / "bin" / "start"),
        cwd=root,
        env=kept | variables,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


@contextmanager
def container(root: Path, base: Path, programs: str = OWN):
    """Serve from the image; yield a client once it responds, the process, and the first line of output."""
    process = start(root, base, "serve", programs=programs)
    # Ends the wait for a line that does not come.
    late = threading.Timer(60, process.kill)
    late.start()
    try:
        line = process.stdout.readline()
        late.cancel()
        port = re.fullmatch(r"serving \w+ on 127\.0\.0\.1 port (\d+)\n", line)
        client = Client(int(port[1]) if port else 0)
        if port:
            until(lambda: process.poll() is not None or answers(client), 30)
        yield client, process, line
    finally:
        late.cancel()
        process.kill()
        process.communicate()


def answers(client):
    """Return whether the server responds."""
    try:
        return client.ask("/ping")[0] == 200
    except OSError:
        return False
