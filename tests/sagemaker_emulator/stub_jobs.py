"""Jobs for tests: an entry point whose behaviour is a hyperparameter, and requests that start it."""

from __future__ import annotations

import io
import itertools
import tarfile
import time
from typing import Any

from botocore.exceptions import ClientError

ROLE = "arn:aws:iam::123456789012:role/Trainer"
IMAGE = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/lab:1"
BUCKET = "lab-bucket"
LOGS = "/aws/sagemaker/TrainingJobs"
METRICS = [{"Name": "capture", "Regex": r"capture=(-?[0-9.]+)"}]
NEVER = "ml.c4.xlarge"  # a type without capacity, so that jobs wait
TIMEOUT_S = 60
WAITING = {"InstanceType": NEVER, "InstanceCount": 1, "VolumeSizeInGB": 10}
ENTRY = """
import json, os, pathlib, signal, socket, subprocess, sys, time

base = pathlib.Path(os.environ.get("SAGEMAKER_BASE_DIR", "/opt/ml"))
checkpoints = base / "checkpoints"
does = json.loads(os.environ["SM_HPS"]).get("does", "well")


def save(name, text):
    (checkpoints / f"{name}.new").write_text(text)
    (checkpoints / f"{name}.new").replace(checkpoints / name)


def saved(*_):
    save("last", "saved")
    sys.exit(0)


if does == "well":
    for value in ("-1", "0.5", "0.75"):
        print(f"capture={value}", flush=True)
    channel = pathlib.Path(os.environ["SM_CHANNEL_MARKET"]) if "SM_CHANNEL_MARKET" in os.environ else None
    content = {
        "hyperparameters": json.loads(os.environ["SM_HPS"]),
        "files": sorted(str(path.relative_to(channel)) for path in channel.rglob("*")) if channel else [],
        "environment": dict(os.environ),
        "resources": json.loads((base / "input/config/resourceconfig.json").read_text()),
    }
    pathlib.Path(os.environ["SM_MODEL_DIR"], "seen.json").write_text(json.dumps(content))
    pathlib.Path(os.environ["SM_OUTPUT_DATA_DIR"], "report.txt").write_text("a report")
elif does == "raise":
    raise ValueError("capacity_mwh must be positive: -1" + "x" * 3000)
elif does == "say":
    raise ValueError("capacity_mwh must be positive: -1")
elif does == "wait":
    signal.signal(signal.SIGTERM, saved)
    print("ready", flush=True)
    time.sleep(60)
elif does == "deaf":
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    print("ready", flush=True)
    time.sleep(60)
elif does == "count":
    # Without a restored checkpoint it runs for ever; a second run reports the checkpoint.
    path = checkpoints / "count"
    start = int(path.read_text()) if path.exists() else None
    if start is not None:
        print(f"capture={start}", flush=True)
        sys.exit(0)
    save("count", "7")
    print("ready", flush=True)
    while not (base / "never").exists():
        time.sleep(0.1)
elif does == "family":
    child = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(60)"
    daemons = [subprocess.Popen([sys.executable, "-c", child], start_new_session=True) for _ in range(2)]
    print("pids", os.getpid(), *(daemon.pid for daemon in daemons), flush=True)
    print("ready", flush=True)
    time.sleep(60)
elif does == "meet":
    # The first host listens, the others send it their names; the addresses are those of /etc/hosts.
    me, hosts = os.environ["SM_CURRENT_HOST"], json.loads(os.environ["SM_HOSTS"])
    assert socket.gethostname() == me and pathlib.Path("/opt/ml/input/config").is_dir()
    address = (socket.gethostbyname(hosts[0]), 6371)
    if me == hosts[0]:
        server = socket.create_server(address)
        names = [server.accept()[0].makefile().readline() for _ in hosts[1:]]
        pathlib.Path(os.environ["SM_MODEL_DIR"], "met.json").write_text(json.dumps(sorted(names)))
    else:
        for _ in range(200):
            try:
                socket.create_connection(address).sendall(me.encode())
                break
            except ConnectionRefusedError:
                time.sleep(0.05)
    content = {
        "resources": json.loads((base / "input/config/resourceconfig.json").read_text()),
        "files": os.listdir(os.environ["SM_CHANNEL_MARKET"]) if "SM_CHANNEL_MARKET" in os.environ else None,
        "first": pathlib.Path("/proc/1/cmdline").read_text(),
    }
    pathlib.Path(os.environ["SM_MODEL_DIR"], f"{me}.json").write_text(json.dumps(content))
"""


class Lab:
    """An emulator with a bucket and the entry point in it."""

    def __init__(self, emulator: Any) -> None:
        """Fill a running emulator."""
        self.emulator = emulator
        self.sagemaker = emulator.client("sagemaker")
        # Sends requests that the other client would reject.
        self.unchecked = emulator.client("sagemaker", parameter_validation=False)
        self.s3 = emulator.client("s3")
        self.logs = emulator.client("logs")
        self._numbers = itertools.count(1)
        self.s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": emulator.region})
        emulator.capacity(NEVER, 0)
        self.s3.put_object(Bucket=BUCKET, Key="code/source.tar.gz", Body=packed({"entry.py": ENTRY}))

    def request(self, does: str = "well", **changes: Any) -> dict[str, Any]:
        """Return a request of CreateTrainingJob with a new name; a change to None omits a member."""
        name = f"job-{next(self._numbers)}-{does}"
        program = {
            "sagemaker_program": '"entry.py"',
            "sagemaker_submit_directory": f'"s3://{BUCKET}/code/source.tar.gz"',
        }
        request = {
            "TrainingJobName": name,
            "AlgorithmSpecification": {
                "TrainingImage": IMAGE,
                "TrainingInputMode": "File",
                "MetricDefinitions": METRICS,
            },
            "RoleArn": ROLE,
            "HyperParameters": program | {"does": f'"{does}"'},
            "OutputDataConfig": {"S3OutputPath": f"s3://{BUCKET}/out"},
            "ResourceConfig": {"InstanceType": "ml.c5.xlarge", "InstanceCount": 1, "VolumeSizeInGB": 10},
            "StoppingCondition": {"MaxRuntimeInSeconds": 60},
        } | changes
        return {member: value for member, value in request.items() if value is not None}

    def spot(self, does: str, **changes: Any) -> dict[str, Any]:
        """Return a request for spot instances with checkpoints under the job's name."""
        request = self.request(does, EnableManagedSpotTraining=True, **changes)
        request["StoppingCondition"] = {"MaxRuntimeInSeconds": 60, "MaxWaitTimeInSeconds": 120}
        request["CheckpointConfig"] = {"S3Uri": f"s3://{BUCKET}/checkpoints/{request['TrainingJobName']}"}
        return request

    def waiting(self, **changes: Any) -> dict[str, Any]:
        """Return a request whose job waits for instances."""
        return self.request(ResourceConfig=WAITING, **changes)

    def stop(self, name: str) -> dict[str, Any]:
        """Stop a job, wait for its end and return its description."""
        self.sagemaker.stop_training_job(TrainingJobName=name)
        return self.finished(name)

    def start(self, request: dict[str, Any]) -> str:
        self.sagemaker.create_training_job(**request)
        return request["TrainingJobName"]

    def describe(self, name: str) -> dict[str, Any]:
        return self.sagemaker.describe_training_job(TrainingJobName=name)

    def finished(self, name: str) -> dict[str, Any]:
        """Wait for a job's end and return its description."""
        return until(lambda: self._if_finished(name), f"{name} has not ended")

    def _if_finished(self, name: str) -> dict[str, Any] | None:
        job = self.describe(name)
        return job if job["TrainingJobStatus"] in ("Completed", "Failed", "Stopped") else None

    def output(self, name: str) -> str:
        """Return the output of all hosts of a job."""
        try:
            streams = self.logs.describe_log_streams(logGroupName=LOGS, logStreamNamePrefix=f"{name}/")["logStreams"]
        except ClientError:
            return ""
        lines = []
        for stream in streams:
            events = self.logs.get_log_events(
                logGroupName=LOGS, logStreamName=stream["logStreamName"], startFromHead=True
            )
            lines += [event["message"] for event in events["events"]]
        return "\n".join(lines)

    def ready(self, name: str) -> None:
        """Wait until the entry point is ready."""
        until(lambda: "\nready" in self.output(name), f"{name} is not ready")

    def object(self, key: str) -> bytes | None:
        try:
            return self.s3.get_object(Bucket=BUCKET, Key=key)["Body"].read()
        except self.s3.exceptions.NoSuchKey:
            return None

    def unpacked(self, key: str) -> dict[str, bytes]:
        """Return the files of an archive in the bucket."""
        content = self.object(key)
        assert content is not None, key
        with tarfile.open(fileobj=io.BytesIO(content)) as archive:
            return {member.name: archive.extractfile(member).read() for member in archive if member.isfile()}


def packed(files: dict[str, str]) -> bytes:
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w:gz") as archive:
        for name, text in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(text.encode())
            archive.addfile(member, io.BytesIO(text.encode()))
    return content.getvalue()


def until(look: Any, complaint: str) -> Any:
    """Poll until a condition is true, and return its value; fails after some time."""
    end = time.monotonic() + TIMEOUT_S
    while time.monotonic() < end:
        if value := look():
            return value
        time.sleep(0.05)
    raise AssertionError(complaint)


def statuses(job: dict[str, Any]) -> list[str]:
    return [transition["Status"] for transition in job["SecondaryStatusTransitions"]]
