"""The image without an engine that builds it: its files, as the Dockerfile lays them out, below another root."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sysconfig
import threading
from contextlib import contextmanager
from pathlib import Path

from tests.launchers.app import until
from tests.serving.exported import Client

ROOT = Path(__file__).parents[2]
CONTAINER = ROOT / "launchers" / "container"
OWN = sysconfig.get_path("scripts")


def copies():
    """Return what the Dockerfile copies from the project, and where to."""
    found = re.findall(r"^COPY (.+) (/\S+)$", (CONTAINER / "Dockerfile").read_text(), re.MULTILINE)
    return [(source, target) for sources, target in found for source in sources.split()]


def lay_out(root: Path) -> Path:
    """Copy the files below a root, and nothing of the lab beside them."""
    for source, target in copies():
        place = root / target.lstrip("/")
        if (ROOT / source).is_dir():
            shutil.copytree(ROOT / source, place, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            place.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / source, place)
    return root


def start(root: Path, base: Path, *words: str, programs: str = OWN) -> subprocess.Popen[str]:
    """Start the image as the service does, with /opt/ml elsewhere.

    Args:
        root: its files.
        base: what is /opt/ml to it.
        words: what the service names, such as ``train``.
        programs: where its Python is.
    """
    path = os.pathsep.join([str(root / "usr" / "local" / "bin"), programs, os.environ["PATH"]])
    # To serve this machine alone, on any port.
    told = {"PATH": path, "SAGEMAKER_BASE_DIR": str(base), "SAGEMAKER_BIND_TO_PORT": "0", "SERVE_HOST": "127.0.0.1"}
    # As the Dockerfile has it, and without a wait for a name that nobody gives here.
    told |= {"PYTHONUNBUFFERED": "1", "RLLIB_TEST_NO_TF_IMPORT": "1", "SM_STUDIO_LOCAL_MODE": "True"}
    kept = {name: os.environ[name] for name in ("HOME", "LANG", "LD_LIBRARY_PATH") if name in os.environ}
    return subprocess.Popen(
        ["start", *words],
        executable=str(root / "usr" / "local" / "bin" / "start"),
        cwd=root,
        env=kept | told,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


@contextmanager
def container(root: Path, base: Path, programs: str = OWN):
    """Have the image serve; yields a client once it answers, the process, and its first line."""
    process = start(root, base, "serve", programs=programs)
    # Which ends the wait for a line that does not come.
    late = threading.Timer(60, process.kill)
    late.start()
    try:
        said = process.stdout.readline()
        late.cancel()
        port = re.fullmatch(r"serving \w+ on 127\.0\.0\.1 port (\d+)\n", said)
        client = Client(int(port[1]) if port else 0)
        if port:
            until(lambda: process.poll() is not None or answers(client), 30)
        yield client, process, said
    finally:
        late.cancel()
        process.kill()
        process.communicate()


def answers(client):
    """Whether it is there."""
    try:
        return client.ask("/ping")[0] == 200
    except OSError:
        return False
