"""Typed words: overrides of tiny trials, flags and settings of Hydra, and names that the grammar treats apart."""

from __future__ import annotations

# Overrides that make a trial tiny.
TINY = (
    *("tracking=none", "train.env_steps=512", "train.checkpoint_every=512", "train.validate_every=512"),
    *("env.episode_days=2", "env.validation_days=3", "env.test_days=4", "env.baselines.stochastic_dp.days=1"),
    *("network.hidden=[8]", "observation=minimal"),
)
TINY_ALGOS = {
    "bid_curves": ("algo.knots=3", "algo.levels=10", "algo.slice_intervals=96", "algo.batch_slices=4"),
    "ppo": ("algo.num_envs=4", "algo.fragment=32", "algo.minibatch=64", "algo.min_batches=0", "algo.epochs=1"),
    "dqn": ("algo.num_envs=4", "algo.batch=32", "algo.learning_starts=64", "algo.iteration_steps=128"),
    "sac": ("algo.num_envs=4", "algo.batch=32", "algo.learning_starts=64", "algo.iteration_steps=128"),
}
FLAGS = (
    *(("--cfg", "job"), ("--cfg", "hydra"), ("--cfg", "x"), ("--cfg",), ("-c", "all"), ("--help",), ("-h",)),
    *(("--hydra-help",), ("--info",), ("--info", "defaults"), ("--info", "x"), ("--resolve",), ("--package", "algo")),
    *(("--cfg", "job", "--package", "algo"), ("--cfg", "job", "--package", "x"), ("--cfg", "job", "--resolve")),
    *(("--config-name", "x"), ("--config-dir", "."), ("--config-dir", "nowhere"), ("--config-path", "x"), ("-cn",)),
    *(("--run",), ("--version",), ("-m",), ("--multirun",), ("-x",), ("--seed", "1"), ("--", "seed=1"), ("-",)),
    *(("--experimental-rerun", "x"), ("--shell-completion",), ("-sc", "x"), ("-sc", "install=x"), ("--cfg=job",)),
)
HYDRA = (
    *("hydra.run.dir=x", "hydra.run.dir=''", "hydra.run.dir=null", "hydra.run.dir=[1]", "hydra.run.dir=/dev/null/x"),
    *("hydra.job.chdir=x", "hydra.job.name=null", "hydra.verbose=x", "hydra.verbose=[a]", "hydra.output_subdir=null"),
    *("hydra.searchpath=[x]", "hydra.searchpath=x", "hydra.searchpath=[file://nowhere]", "hydra/job_logging=none"),
    *("hydra/job_logging=x", "hydra/launcher=x", "hydra/sweeper=x", "hydra/output=x", "hydra.launcher.parallel=0"),
    *(
        "hydra.x=1",
        "+hydra.x=1",
        "~hydra",
        "~hydra.run",
        "hydra=x",
        "hydra/help=default",
        "hydra.mode=x",
        "hydra.mode=RUN",
    ),
)
# Options of the default trial.
DEFAULTS = {
    *("env=battery", "battery=default", "market=synthetic", "observation=compact", "reward=regret", "network=mlp"),
    *("algo=ppo", "rollout=array", "train=default", "tracking=mlflow"),
}
# Groups whose options can start other processes.
SWEEPING = ("launcher", "sweeper", "sweep", "experiment", "hydra")
RUN_COMMANDS = ("evaluate", "audit", "bids", "export", "sync", "resume", "rerun")
