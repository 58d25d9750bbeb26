"""Build the stored runs: run folders as an earlier version of the lab left them, for tests of what came after it.

    python -m tests.stored_runs.build_archives 0609c6c

Checks that commit out, trains a tiny trial of PPO and of DQN with it, and resumes each with a larger budget. Packs the
prices, the run folder before that resumption and the metrics after it into ``tests/stored_runs/<algo>.tar.xz``.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[2]
HERE = Path(__file__).parent
PRICES = "prices/prices_0.csv"
TRIAL = (
    *("tracking=none", "outputs=outputs", "market=table", f"market.path={PRICES}", "market.time_zone=Etc/GMT-10"),
    *("market.currency=EUR", "train.env_steps=2048", "train.checkpoint_every=1024", "train.validate_every=1024"),
    *("train.keep_checkpoints=1", "env.episode_days=2", "env.validation_days=3", "env.test_days=4"),
    *("env.baselines.stochastic_dp.days=2", "network.hidden=[16,16]", "algo.num_envs=8"),
)
ALGOS = {
    "ppo": ("algo=ppo", "algo.fragment=64", "algo.minibatch=256", "algo.epochs=2"),
    "dqn": ("algo=dqn", "reward=degradation", "algo.batch=64", "algo.learning_starts=256", "algo.iteration_steps=256"),
}
RESUMED = "train.env_steps=4096"
LEFT_OUT = ("report.html", "tensorboard", ".hydra", "battery_lab.log", ".lock")


def main(commit: str) -> None:
    """Build the archives from a commit."""
    with tempfile.TemporaryDirectory() as scratch:
        source, home = Path(scratch, "source"), Path(scratch, "home")
        subprocess.run(["git", "worktree", "add", "--detach", str(source), commit], cwd=ROOT, check=True)
        try:
            home.mkdir()
            prices = str(Path(PRICES).parent)
            market = f"from pathlib import Path; import tests.compositions as c; c.write_market(Path({prices!r}))"
            _python(source, home, "-c", market)
            for algo, choices in ALGOS.items():
                _build(source, home, algo, choices)
        finally:
            subprocess.run(["git", "worktree", "remove", "--force", str(source)], cwd=ROOT, check=True)


def _build(source: Path, home: Path, algo: str, choices: tuple[str, ...]) -> None:
    run, stored = home / algo, home / "stored" / algo
    _python(source, home, "-m", "battery_lab", *TRIAL, *choices, f"hydra.run.dir={algo}")
    shutil.copytree(run, stored, ignore=shutil.ignore_patterns(*LEFT_OUT))
    looks = stored / "test_looks.jsonl"
    looks.write_text(looks.read_text().replace(sys.executable, "python"))
    _python(source, home, "-m", "battery_lab", f"resume={algo}", RESUMED)
    with tarfile.open(HERE / f"{algo}.tar.xz", "w:xz") as archive:
        archive.add(home / PRICES, PRICES)
        archive.add(stored, algo)
        archive.add(run / "metrics.json", f"{algo}_resumed.json")


def _python(source: Path, home: Path, *arguments: str) -> None:
    paths = os.pathsep.join([str(source), str(source / "launchers")])
    subprocess.run([sys.executable, *arguments], cwd=home, env=os.environ | {"PYTHONPATH": paths}, check=True)


if __name__ == "__main__":
    main(sys.argv[1])
