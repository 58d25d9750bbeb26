"""Host of a training job: its /opt/ml, and the sagemaker-training toolkit's ``train`` command."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

from sagemaker_emulator.job_state import Group, Job

PACKAGE = Path(__file__).parents[1]
_UNSHARE = ("unshare", "--mount", "--uts", "--pid", "--fork", "--mount-proc", "--kill-child=KILL")
_AS_ROOT = ("--user", "--map-root-user")  # for other users
_INHERITED = ("LANG", "LC_ALL", "LD_LIBRARY_PATH", "TZ", "CUDA_VISIBLE_DEVICES")  # variables of this process
# The first is job_numba_cache.py beside this file; the others are numba's own, for code outside of a job's archive.
_NUMBA_LOCATORS = (
    "sagemaker_job_numba_cache.JobCacheLocator,UserProvidedCacheLocator,InTreeCacheLocator,UserWideCacheLocator,"
    "IPythonCacheLocator,ZipCacheLocator"
)
_FOLDERS = ("input/config", "input/data", "model", "output/data", "code", "checkpoints")


class Host:
    """A host of a training job."""

    def __init__(self, job: Job, group: Group, name: str, folder: Path) -> None:
        """Create /opt/ml.

        Args:
            job: the job of the host.
            group: the group of the host.
            name: such as algo-1.
            folder: the folder of the host, created here.
        """
        self.job, self.group, self.name, self.folder = job, group, name, folder
        self.base = folder / "opt" / "ml"
        for path in _FOLDERS:
            (self.base / path).mkdir(parents=True)
        self.checkpoints.mkdir(parents=True, exist_ok=True)
        (folder / "root").mkdir()
        self._process: subprocess.Popen[bytes] | None = None
        self._write("hyperparameters", job.request.get("HyperParameters") or {})
        self._write("inputdataconfig", {channel["ChannelName"]: _channel(channel) for channel in self.channels})
        self._write("resourceconfig", _resources(job, group, name))

    @property
    def channels(self) -> list[dict[str, Any]]:
        """Return the channels that this host receives."""
        channels = self.job.request.get("InputDataConfig") or []
        return [channel for channel in channels if self.group.name in (_groups_of(channel) or [self.group.name])]

    @property
    def checkpoints(self) -> Path:
        """Return the folder that is copied to S3."""
        path: str = (self.job.request.get("CheckpointConfig") or {}).get("LocalPath", "/opt/ml/checkpoints")
        return self.folder / path.lstrip("/")

    @property
    def failure(self) -> str:
        """Return what the job wrote to its failure file."""
        path = self.base / "output" / "failure"
        return path.read_text(errors="replace") if path.is_file() else ""

    def start(self, environment: Mapping[str, str], isolation: str) -> int:
        """Start ``train``.

        Args:
            environment: variables, in addition to those that every host has.
            isolation: ``plain`` or ``namespaces``.

        Returns:
            A file descriptor to read its output from.
        """
        # Unbuffered, as it passes on the lines of the entry point, whose own environment says whether that is buffered.
        command = ["--", sys.executable, "-u", str(Path(sys.executable).parent / "train")]
        unshare: tuple[str, ...] = ()
        if isolation == "namespaces":
            hosts = self.folder / "hosts"
            hosts.write_text(_hosts_file(self.job.hosts))
            command = ["--isolate", self.name, str(self.base), str(hosts), *command]
            unshare = tuple(_unshare_command())
        reading, writing = os.pipe()
        try:
            self._process = subprocess.Popen(
                [*unshare, sys.executable, "-I", "-S", str(Path(__file__).parent / "host_supervisor.py"), *command],
                env=self._environment(environment, isolation),
                cwd=self.folder / "root",
                stdin=subprocess.PIPE,
                stdout=writing,
                stderr=writing,
                bufsize=0,
                # Ctrl-C goes to the emulator only, which ends its jobs.
                process_group=0,
            )
        finally:
            os.close(writing)
        return reading

    @property
    def running(self) -> bool:
        """Whether any process of the host is running."""
        return self._process is not None and self._process.poll() is None

    @property
    def status(self) -> int | None:
        """Return the exit status; None before the end."""
        return self._process.poll() if self._process else None

    def terminate(self) -> None:
        """Send SIGTERM to the process group of ``train``."""
        self._order(b"TERM\n")

    def kill(self) -> None:
        """Kill all processes of the host, and wait for their end."""
        self._order(b"KILL\n")
        if self._process:
            self._process.wait()

    def remove(self) -> None:
        """Delete the folder of the host."""
        if self._process and self._process.stdin:
            self._process.stdin.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _order(self, command: bytes) -> None:
        if self._process and self._process.stdin:
            with suppress(BrokenPipeError):
                self._process.stdin.write(command)

    def _write(self, name: str, content: Any) -> None:
        (self.base / "input" / "config" / f"{name}.json").write_text(json.dumps(content))

    def _environment(self, extra: Mapping[str, str], isolation: str) -> dict[str, str]:
        variables = {name: os.environ[name] for name in _INHERITED if name in os.environ}
        variables |= {
            "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)]),
            "HOME": str(self.folder / "root"),
            "PYTHONPATH": str(_toolkit_path(self.folder)),
            "SAGEMAKER_TRAINING_MODULE": "sagemaker_emulator.training.toolkit_error_capture:main",
            "CURRENT_HOST": self.name,
            # Shared by all jobs, for what takes long to compute and does not depend on a job, such as compiled code.
            "XDG_CACHE_HOME": os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache"),
        }
        if _numba_takes_locators():
            variables["NUMBA_CACHE_LOCATOR_CLASSES"] = _NUMBA_LOCATORS
        variables |= self.job.request.get("Environment") or {}
        if isolation == "plain":
            # With the second variable the toolkit does not resolve the names of hosts, which do not exist.
            variables |= {"SAGEMAKER_BASE_DIR": str(self.base), "SM_STUDIO_LOCAL_MODE": "True"}
        return variables | dict(extra)


@cache
def namespaces_work() -> str | None:
    """Return why hosts cannot have their own namespaces on this machine; None if they can."""
    return (
        None if _unshare_command() else "unshare cannot make mount, uts and pid namespaces here: run as root, on Linux"
    )


@cache
def _unshare_command() -> list[str]:
    """Return the command that creates namespaces; empty if that is not allowed."""
    for command in ([*_UNSHARE], [*_UNSHARE, *_AS_ROOT]):
        trial = [*command, "sh", "-c", "hostname algo-1 && mount -t tmpfs none /mnt"]
        with suppress(OSError):
            if subprocess.run(trial, capture_output=True).returncode == 0:
                return command
    return []


def _toolkit_path(folder: Path) -> Path:
    """Return a folder for PYTHONPATH with this package and numba's locator, but not what is beside the package."""
    path = folder / "python"
    path.mkdir(exist_ok=True)
    locator = Path(__file__).parent / "job_numba_cache.py"
    for name, target in ((PACKAGE.name, PACKAGE), ("sagemaker_job_numba_cache.py", locator)):
        if not (path / name).is_symlink():
            (path / name).symlink_to(target)
    return path


@cache
def _numba_takes_locators() -> bool:
    """Return whether numba is installed in a version that has the classes of job_numba_cache.py."""
    try:
        major, minor = metadata.version("numba").split(".")[:2]
    except metadata.PackageNotFoundError:
        return False
    return (int(major), int(minor)) >= (0, 68)


def _groups_of(channel: Mapping[str, Any]) -> list[str]:
    return channel["DataSource"]["S3DataSource"].get("InstanceGroupNames") or []


def _channel(channel: Mapping[str, Any]) -> dict[str, str]:
    source = channel["DataSource"]["S3DataSource"]
    content_type = {"ContentType": channel["ContentType"]} if channel.get("ContentType") else {}
    distribution = source.get("S3DataDistributionType", "FullyReplicated")
    return content_type | {"TrainingInputMode": "File", "S3DistributionType": distribution, "RecordWrapperType": "None"}


def _resources(job: Job, group: Group, name: str) -> dict[str, Any]:
    return {
        "current_host": name,
        "current_instance_type": group.instance_type,
        "current_group_name": group.name,
        "hosts": sorted(job.hosts),
        "instance_groups": [
            {"instance_group_name": other.name, "instance_type": other.instance_type, "hosts": sorted(other.hosts)}
            for other in job.groups
        ],
        "network_interface_name": "lo",
    }


def _hosts_file(names: list[str]) -> str:
    lines = ["127.0.0.1 localhost", *(f"127.0.0.{number + 10} {name}" for number, name in enumerate(names))]
    return "".join(f"{line}\n" for line in lines)
