"""Rehearsal: an emulator on this machine that replaces AWS, started if it is not running."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from battery_lab.common.errors import ConfigError, LabError

MISSING = (
    "launcher=sagemaker_rehearsal needs the extra aws and the SageMaker emulator, and {missing} is not installed: run "
    "make setup-aws setup-rehearsal"
)
IDLE_S = 1800  # without requests, after which the emulator exits
TIMEOUT_S = 60.0
PLAIN, NAMESPACES = "plain", "namespaces"


def emulator_folder(rehearsal: Path, hosts: int) -> Path:
    """Return the folder of the emulator for jobs of a number of hosts; several hosts need networks of their own."""
    return rehearsal / (NAMESPACES if hosts > 1 else PLAIN)


def rehearse(folder: Path, bucket: str) -> None:
    """Replace AWS by an emulator, for this process.

    Args:
        folder: the folder of the emulator; its name says how hosts are isolated.
        bucket: created if missing.

    Raises:
        LabError: the emulator is not installed or does not start.
    """
    # Importing sagemaker_training would create folders of a job in the user's home folder.
    missing = [name for name in ("sagemaker_emulator", "moto", "sagemaker_training") if find_spec(name) is None]
    if missing:
        raise ConfigError(MISSING.format(missing=missing[0]))
    emulator = _running(folder) or _start(folder, folder.name)
    # An account, a profile or an endpoint of the user's shell would let requests reach AWS, which cost.
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        del os.environ[name]
    os.environ |= emulator.environment | {"AWS_SHARED_CREDENTIALS_FILE": os.devnull, "AWS_CONFIG_FILE": os.devnull}
    for name in ("NO_PROXY", "no_proxy"):
        os.environ[name] = ",".join(filter(None, [os.environ.get(name), "127.0.0.1"]))
    s3 = emulator.client("s3")
    if bucket not in {each["Name"] for each in s3.list_buckets()["Buckets"]}:
        s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": emulator.region})


def _running(folder: Path) -> Any:
    """Return the emulator that runs in a folder, or None."""
    from sagemaker_emulator.emulator_client import connect

    try:
        emulator = connect(folder)
        emulator.requests()
    except (OSError, ValueError, KeyError):
        return None
    return emulator


def _start(folder: Path, isolation: str) -> Any:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "address.json").unlink(missing_ok=True)
    command = [sys.executable, "-m", "sagemaker_emulator", "--work", str(folder), "--idle", str(IDLE_S)]
    command += ["--isolation", isolation]
    with (folder / "emulator.log").open("ab") as log:
        process = subprocess.Popen(
            command,
            env={name: value for name, value in os.environ.items() if not name.startswith("AWS_")},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            # It outlives this command, as the service would.
            start_new_session=True,
        )
    deadline = time.monotonic() + TIMEOUT_S
    while (emulator := _running(folder)) is None:
        if process.poll() is not None or time.monotonic() > deadline:
            process.kill()
            output = " ".join((folder / "emulator.log").read_text(errors="replace").split())[-400:]
            raise LabError(f"the emulator in {folder} did not start: {output}")
        time.sleep(0.1)
    return emulator
