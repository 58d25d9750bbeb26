"""The image's locked packages, in an empty environment: a trial as a job, and its policy served.

    python -m tests.sagemaker_jobs.image_trial

What the Dockerfile does to its base but for its Debian packages, without an engine: the locks and torch are installed,
the files are laid out, and `start` runs the toolkit's `train` and then `serve`. The figures are held to those of the
same trial here, and the answers to the policy that it left here.
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

from battery_lab.cli.export import export
from battery_lab.config.compose import build, compose
from battery_lab.config.stored_trial import store_trial
from battery_lab.serving.artifact import Artifact
from tests.compositions import SMALL, write_market
from tests.launchers.kills import TIMES
from tests.serving.image import ROOT, container, lay_out, start

LOCKS = ("requirements.lock", "requirements-job.lock")
TRIAL = ("algo=ppo", "reward=degradation", "tracking=none", "train.env_steps=65536", "train.validate_every=32768")


def install(folder: Path) -> str:
    """Make an environment of the locked packages; returns where its programs are."""
    venv.create(folder, with_pip=True)
    pip = [folder / "bin" / "python", "-m", "pip", "--disable-pip-version-check", "-q", "install"]
    subprocess.run([*pip, "--require-hashes", *(word for lock in LOCKS for word in ("-r", ROOT / lock))], check=True)
    wanted = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    index = os.environ.get("TORCH_INDEX_URL")
    torch = next(one for one in wanted if one.startswith("torch=="))
    subprocess.run([*pip, *(["--index-url", index] if index else []), torch], check=True)
    return str(folder / "bin")


def send(base: Path, choices: list[str]) -> None:
    """Put a trial where the service would, with the lab's source."""
    trial, told = base / "input" / "data" / "trial", base / "input" / "config"
    for folder in (trial, told, base / "model", base / "output"):
        folder.mkdir(parents=True)
    store_trial(compose(choices), trial)
    (trial / "number").write_text("0")
    source = base / "sourcedir.tar.gz"
    source.write_bytes(source_archive())
    own = {"sagemaker_program": ENTRY, "sagemaker_submit_directory": str(source), "sagemaker_job_name": "image"}
    own |= {"sagemaker_region": "eu-west-1", "sagemaker_container_log_level": 20}
    files = {
        "hyperparameters": {name: json.dumps(value) for name, value in own.items()},
        "resourceconfig": {"current_host": "algo-1", "hosts": ["algo-1"], "network_interface_name": "lo"},
        "inputdataconfig": {"trial": {"TrainingInputMode": "File"}},
    }
    for name, content in files.items():
        (told / f"{name}.json").write_text(json.dumps(content))


def figures(path: Path) -> dict[str, float]:
    """Return what a trial came to, without what its time came to."""
    return {name: value for name, value in json.loads(path.read_text()).items() if name not in TIMES}


def main() -> None:
    """Install, train, serve and compare; raises where anything differs."""
    with tempfile.TemporaryDirectory() as scratch:
        place = Path(scratch)
        programs, root, base = install(place / "env"), lay_out(place / "root"), place / "ml"
        choices = [*write_market(place / "data"), *SMALL, *TRIAL]
        send(base, choices)
        process = start(root, base, "train", programs=programs)
        try:
            said, _ = process.communicate(timeout=600)
        finally:
            process.kill()
        if process.returncode or not (base / "model" / "model.onnx").is_file():
            sys.exit(f"train ended with {process.returncode}:\n{said[-4000:]}")
        config, run = compose(choices), place / "run"
        run.mkdir()
        store_trial(config, run)
        build(config).run(run, resume=False, console=Console(file=io.StringIO()))
        mine, its = figures(run / "metrics.json"), figures(base / "model" / "metrics.json")
        if mine != its:
            sys.exit(f"the figures differ: here {mine}, as a job {its}")
        policy = Artifact(export([f"run={run}"]))
        observation = np.random.default_rng(0).normal(size=(1000, policy.size)).astype(np.float32)
        with container(root, base, programs) as (client, _, line):
            status, told = client.ask(body={"instances": observation.tolist()})
        if status != 200 or told["predictions"] != policy.answers(observation):
            sys.exit(f"it serves otherwise than the policy does here: {line}{status} {str(told)[:400]}")
        actions = len({one["action"] for one in told["predictions"]})
        print(
            f"trained as here (test capture {its['test/capture']:.3f}) and served as here ({len(observation):,} "
            f"observations, {actions} actions), by {', '.join(LOCKS)} in an empty environment"
        )


if __name__ == "__main__":
    main()
