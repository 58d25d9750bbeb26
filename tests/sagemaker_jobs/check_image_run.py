"""Check of a run with the image's locked packages in an empty environment: a trial as a job, and its policy served.

    python -m tests.sagemaker_jobs.check_image_run

Does without Docker what the Dockerfile does, except for Debian packages: it installs the locks and torch, lays out the
files, and runs `start train` and `start serve`. The metrics must equal those of the same trial run locally, and the
served actions those of its policy.
"""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import tempfile
import tomllib
import venv
from pathlib import Path

import numpy as np
from rich.console import Console
from sagemaker_jobs.submit.uploads import ENTRY, source_archive

from battery_lab.cli.build_experiment import build_experiment
from battery_lab.cli.commands import export
from battery_lab.config.compose import compose
from battery_lab.config.stored_trial import store_trial
from battery_lab.serving.artifact import Artifact
from tests.compositions import SMALL, write_market
from tests.launchers.kill_harness import TIME_METRICS
from tests.serving.image_without_docker import ROOT, container, lay_out, start

LOCKS = ("requirements.lock", "requirements-job.lock")
TRIAL = ("algo=ppo", "reward=degradation", "tracking=none", "train.env_steps=65536", "train.validate_every=32768")


def install(folder: Path) -> str:
    """Create an environment of the locked packages; returns the folder of its programs."""
    venv.create(folder, with_pip=True)
    pip = [folder / "bin" / "python", "-m", "pip", "--disable-pip-version-check", "-q", "install"]
    subprocess.run([*pip, "--require-hashes", *(word for lock in LOCKS for word in ("-r", ROOT / lock))], check=True)
    dependencies = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    index = os.environ.get("TORCH_INDEX_URL")
    torch = next(package for package in dependencies if package.startswith("torch=="))
    subprocess.run([*pip, *(["--index-url", index] if index else []), torch], check=True)
    return str(folder / "bin")


def send(base: Path, choices: list[str]) -> None:
    """Lay out a trial and the lab's source as the service would."""
    trial, settings = base / "input" / "data" / "trial", base / "input" / "config"
    for folder in (trial, settings, base / "model", base / "output"):
        folder.mkdir(parents=True)
    store_trial(compose(choices), trial)
    (trial / "number").write_text("0")
    source = base / "sourcedir.tar.gz"
    source.write_bytes(source_archive())
    parameters = {"sagemaker_program": ENTRY, "sagemaker_submit_directory": str(source), "sagemaker_job_name": "image"}
    parameters |= {"sagemaker_region": "eu-west-1", "sagemaker_container_log_level": 20}
    files = {
        "hyperparameters": {name: json.dumps(value) for name, value in parameters.items()},
        "resourceconfig": {"current_host": "algo-1", "hosts": ["algo-1"], "network_interface_name": "lo"},
        "inputdataconfig": {"trial": {"TrainingInputMode": "File"}},
    }
    for name, content in files.items():
        (settings / f"{name}.json").write_text(json.dumps(content))


def metrics(path: Path) -> dict[str, float]:
    """Return the metrics of a trial, without those of its time."""
    return {name: value for name, value in json.loads(path.read_text()).items() if name not in TIME_METRICS}


def main() -> None:
    """Install, train, serve and compare; exits with a message if anything differs."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        programs, root, base = install(folder / "env"), lay_out(folder / "root"), folder / "ml"
        choices = [*write_market(folder / "data"), *SMALL, *TRIAL]
        send(base, choices)
        process = start(root, base, "train", programs=programs)
        try:
            output, _ = process.communicate(timeout=600)
        finally:
            process.kill()
        if process.returncode or not (base / "model" / "model.onnx").is_file():
            sys.exit(f"train ended with {process.returncode}:\n{output[-4000:]}")
        config, run = compose(choices), folder / "run"
        run.mkdir()
        store_trial(config, run)
        build_experiment(config).run(run, resume=False, console=Console(file=io.StringIO()))
        local, job = metrics(run / "metrics.json"), metrics(base / "model" / "metrics.json")
        if local != job:
            sys.exit(f"the metrics differ: locally {local}, as a job {job}")
        policy = Artifact(export.main([f"run={run}"]))
        observation = np.random.default_rng(0).normal(size=(1000, policy.size)).astype(np.float32)
        with container(root, base, programs) as (client, _, line):
            status, answer = client.ask(body={"instances": observation.tolist()})
        if status != 200 or answer["predictions"] != policy.predictions(observation):
            sys.exit(f"the served actions differ from those of the policy: {line}{status} {str(answer)[:400]}")
        actions = len({prediction["action"] for prediction in answer["predictions"]})
        print(
            f"same metrics (test capture {job['test/capture']:.3f}) and same served actions ({len(observation):,} "
            f"observations, {actions} actions), by {', '.join(LOCKS)} in an empty environment"
        )


if __name__ == "__main__":
    main()
