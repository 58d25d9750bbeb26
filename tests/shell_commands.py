"""Shell commands that tests run, without the variables of this Python and of `make`."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[1]


def run(*command: str | Path, cwd: Path, **env: str) -> subprocess.CompletedProcess[str]:
    clean = {k: v for k, v in os.environ.items() if k not in {"PYTHONPATH", "PYTHONHOME", "MAKEFLAGS", "MAKELEVEL"}}
    return subprocess.run(command, cwd=cwd, env=clean | env, capture_output=True, text=True, check=False)


def succeed(*command: str | Path, cwd: Path, **env: str) -> str:
    done = run(*command, cwd=cwd, **env)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
