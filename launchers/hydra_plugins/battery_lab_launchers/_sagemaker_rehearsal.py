"""The emulator behind launcher=sagemaker_rehearsal: begun on loopback where none runs, found again by any command."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from battery_lab.common.errors import ConfigError, LabError

NEEDS = (
    "launcher=sagemaker_rehearsal needs the extra aws and the SageMaker emulator, and {missing} is not installed: run "
    "make setup-aws setup-rehearsal"
)
IDLE_S = 1800  # of an emulator that nobody asks anything
PATIENCE_S = 60.0
PLAIN, NAMESPACES = "plain", "namespaces"


def emulator_of(work: Path, hosts: int) -> Path:
    """Return the folder of the emulator for jobs of so many hosts; several want networks of their own."""
    return work / (NAMESPACES if hosts > 1 else PLAIN)


def rehearse(work: Path, bucket: str) -> None:
    """Have AWS, for this process, be an emulator on this machine, and nothing else.

    Args:
        work: its folder, which says how it keeps hosts apart.
        bucket: made if missing.

    Raises:
        LabError: it is not installed, or does not start.
    """
    # Not by importing them, which has the toolkit make folders of a job in the home folder.
    missing = [name for name in ("sagemaker_emulator", "moto", "sagemaker_training") if find_spec(name) is None]
    if missing:
        raise ConfigError(NEEDS.format(missing=missing[0]))
    found = _running(work) or _begun(work, work.name)
    # An account, a profile or an endpoint of somebody's would have requests leave the rehearsal, and cost.
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        del os.environ[name]
    os.environ |= found.environment | {"AWS_SHARED_CREDENTIALS_FILE": os.devnull, "AWS_CONFIG_FILE": os.devnull}
    for name in ("NO_PROXY", "no_proxy"):
        os.environ[name] = ",".join(filter(None, [os.environ.get(name), "127.0.0.1"]))
    if bucket not in {one["Name"] for one in found.client("s3").list_buckets()["Buckets"]}:
        found.client("s3").create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": found.region})


def _running(work: Path) -> Any:
    """Return the emulator that runs in a folder, or None."""
    from sagemaker_emulator.client import connect

    try:
        found = connect(work)
        found.requests()
    except (OSError, ValueError, KeyError):
        return None
    return found


def _begun(work: Path, isolation: str) -> Any:
    work.mkdir(parents=True, exist_ok=True)
    (work / "address.json").unlink(missing_ok=True)
    own = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    command = [sys.executable, "-m", "sagemaker_emulator", "--work", str(work), "--idle", str(IDLE_S)]
    command += ["--isolation", isolation]
    with (work / "emulator.log").open("ab") as log:
        process = subprocess.Popen(
            command,
            env=own,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            # It outlives the command, as the service would.
            start_new_session=True,
        )
    deadline = time.monotonic() + PATIENCE_S
    while (found := _running(work)) is None:
        if process.poll() is not None or time.monotonic() > deadline:
            process.kill()
            said = " ".join((work / "emulator.log").read_text(errors="replace").split())[-400:]
            raise LabError(f"the emulator in {work} did not start: {said}")
        time.sleep(0.1)
    return found
