"""One host of a training job: its /opt/ml, and the sagemaker-training toolkit's genuine ``train`` command on it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

from sagemaker_emulator.job import Group, Job

PACKAGE = Path(__file__).parents[1]
_UNSHARE = ("unshare", "--mount", "--uts", "--pid", "--fork", "--mount-proc", "--kill-child=KILL")
_AS_ROOT = ("--user", "--map-root-user")  # for those who aren't
_PASSED_ON = ("LANG", "LC_ALL", "LD_LIBRARY_PATH", "TZ", "CUDA_VISIBLE_DEVICES")  # of this process's environment
_FOLDERS = ("input/config", "input/data", "model", "output/data", "code", "checkpoints")


class Host:
    """A host, from the making of its folders to its end."""

    def __init__(self, job: Job, group: Group, name: str, folder: Path) -> None:
        """Lay out /opt/ml.

        Args:
            job: of which it is a host.
            group: that it belongs to.
            name: as algo-1.
            folder: of its own, made here.
        """
        self.job, self.group, self.name, self.folder = job, group, name, folder
        self.base = folder / "opt" / "ml"
        for path in _FOLDERS:
            (self.base / path).mkdir(parents=True)
        self.checkpoints.mkdir(parents=True, exist_ok=True)
        (folder / "root").mkdir()
        self._process: subprocess.Popen[bytes] | None = None
        self._write("hyperparameters", job.request.get("HyperParameters") or {})
        self._write("inputdataconfig", {one["ChannelName"]: _channel(one) for one in self.channels})
        self._write("resourceconfig", _resources(job, group, name))

    @property
    def channels(self) -> list[dict[str, Any]]:
        """Return the channels that this host is given."""
        wanted = self.job.request.get("InputDataConfig") or []
        return [one for one in wanted if self.group.name in (_of_groups(one) or [self.group.name])]

    @property
    def checkpoints(self) -> Path:
        """Return the folder that is kept in step with S3."""
        path: str = (self.job.request.get("CheckpointConfig") or {}).get("LocalPath", "/opt/ml/checkpoints")
        return self.folder / path.lstrip("/")

    @property
    def failure(self) -> str:
        """Return what the job wrote about its failure."""
        path = self.base / "output" / "failure"
        return path.read_text(errors="replace") if path.is_file() else ""

    def start(self, environment: Mapping[str, str], isolation: str) -> int:
        """Start ``train``.

        Args:
            environment: variables by name, beside the few that every host has.
            isolation: ``plain`` or ``namespaces``.

        Returns:
            A file descriptor from which its output can be read.
        """
        # Unbuffered itself, as it passes the entry point's lines on; whether that one is, its own environment says.
        command = ["--", sys.executable, "-u", str(Path(sys.executable).parent / "train")]
        entered: tuple[str, ...] = ()
        if isolation == "namespaces":
            hosts = self.folder / "hosts"
            hosts.write_text(_hosts_file(self.job.hosts))
            command = ["--isolate", self.name, str(self.base), str(hosts), *command]
            entered = tuple(_entering())
        reading, writing = os.pipe()
        try:
            self._process = subprocess.Popen(
                [*entered, sys.executable, "-I", "-S", str(Path(__file__).parent / "host_supervisor.py"), *command],
                env=self._environment(environment, isolation),
                cwd=self.folder / "root",
                stdin=subprocess.PIPE,
                stdout=writing,
                stderr=writing,
                bufsize=0,
                # Ctrl-C is for the emulator, which ends its jobs.
                process_group=0,
            )
        finally:
            os.close(writing)
        return reading

    @property
    def running(self) -> bool:
        """Whether anything runs on it."""
        return self._process is not None and self._process.poll() is None

    @property
    def status(self) -> int | None:
        """Return the exit status; None: it still runs, or never did."""
        return self._process.poll() if self._process else None

    def terminate(self) -> None:
        """Send SIGTERM to the process group of ``train``."""
        self._order(b"TERM\n")

    def kill(self) -> None:
        """Kill all its processes and wait until they are gone."""
        self._order(b"KILL\n")
        if self._process:
            self._process.wait()

    def remove(self) -> None:
        """Delete its folder, which nobody needs after the upload."""
        if self._process and self._process.stdin:
            self._process.stdin.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _order(self, words: bytes) -> None:
        if self._process and self._process.stdin:
            with suppress(BrokenPipeError):
                self._process.stdin.write(words)

    def _write(self, name: str, content: Any) -> None:
        (self.base / "input" / "config" / f"{name}.json").write_text(json.dumps(content))

    def _environment(self, given: Mapping[str, str], isolation: str) -> dict[str, str]:
        variables = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
        variables |= {
            "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)]),
            "HOME": str(self.folder / "root"),
            "PYTHONPATH": str(_toolkit_path(self.folder)),
            "SAGEMAKER_TRAINING_MODULE": "sagemaker_emulator.training.toolkit_module:main",
            "CURRENT_HOST": self.name,
        }
        variables |= self.job.request.get("Environment") or {}
        if isolation == "plain":
            # The second has the toolkit not look up the names of hosts, which there are none of.
            variables |= {"SAGEMAKER_BASE_DIR": str(self.base), "SM_STUDIO_LOCAL_MODE": "True"}
        return variables | dict(given)


@cache
def namespaces_work() -> str | None:
    """Return why hosts cannot have namespaces of their own on this machine; None: they can."""
    return None if _entering() else "unshare cannot make mount, uts and pid namespaces here: run as root, on Linux"


@cache
def _entering() -> list[str]:
    """Return the command that enters new namespaces; empty where that's not allowed."""
    for command in ([*_UNSHARE], [*_UNSHARE, *_AS_ROOT]):
        tried = [*command, "sh", "-c", "hostname algo-1 && mount -t tmpfs none /mnt"]
        with suppress(OSError):
            if subprocess.run(tried, capture_output=True).returncode == 0:
                return command
    return []


def _toolkit_path(folder: Path) -> Path:
    """Return a folder for PYTHONPATH which holds this package alone, not what else lies beside it."""
    path = folder / "python"
    path.mkdir(exist_ok=True)
    if not (path / PACKAGE.name).is_symlink():
        (path / PACKAGE.name).symlink_to(PACKAGE)
    return path


def _of_groups(channel: Mapping[str, Any]) -> list[str]:
    return channel["DataSource"]["S3DataSource"].get("InstanceGroupNames") or []


def _channel(channel: Mapping[str, Any]) -> dict[str, str]:
    source = channel["DataSource"]["S3DataSource"]
    told = {"ContentType": channel["ContentType"]} if channel.get("ContentType") else {}
    distribution = source.get("S3DataDistributionType", "FullyReplicated")
    return told | {"TrainingInputMode": "File", "S3DistributionType": distribution, "RecordWrapperType": "None"}


def _resources(job: Job, group: Group, name: str) -> dict[str, Any]:
    return {
        "current_host": name,
        "current_instance_type": group.instance_type,
        "current_group_name": group.name,
        "hosts": sorted(job.hosts),
        "instance_groups": [
            {"instance_group_name": one.name, "instance_type": one.instance_type, "hosts": sorted(one.hosts)}
            for one in job.groups
        ],
        "network_interface_name": "lo",
    }


def _hosts_file(names: list[str]) -> str:
    lines = ["127.0.0.1 localhost", *(f"127.0.0.{number + 10} {name}" for number, name in enumerate(names))]
    return "".join(f"{line}\n" for line in lines)
