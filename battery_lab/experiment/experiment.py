"""Experiment: trains an algorithm on an environment, evaluates the policy that it keeps and reports it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import torch
from filelock import FileLock, Timeout
from rich.console import Console
from rich.text import Text

from battery_lab import report
from battery_lab.algos.interfaces import Algo, Learner, Setup
from battery_lab.common.errors import ConfigError
from battery_lab.common.garbage_collection import postponed_collection
from battery_lab.common.run_folder import RunFolder
from battery_lab.common.snake_case import snake_case
from battery_lab.envs.bidding_interface import PriceTaker
from battery_lab.envs.interfaces import Environment, NotedWorld, World, score_metric
from battery_lab.envs.world_cache import WorldSource
from battery_lab.experiment import checkpoint, final_evaluation
from battery_lab.experiment.checkpoint import Progress
from battery_lab.experiment.console_progress import ConsoleProgress
from battery_lab.experiment.policy_metrics import Validation
from battery_lab.experiment.trainer import Interrupted, Trainer, TrainOptions
from battery_lab.networks.network import Network
from battery_lab.policies.policy import Policy, load
from battery_lab.tracking import RunLog, Status, Tracker

if TYPE_CHECKING:
    from battery_lab.rllib.rollout_backends import Backend


def choose_actions(env: Environment, algo: Algo) -> str:
    """Return the first kind of actions of the environment that the algorithm can learn.

    Raises:
        ConfigError: the algorithm can learn none of them.
    """
    for kind in env.offers:
        if kind in algo.action_kinds:
            return kind
    name = snake_case(type(algo).__name__)
    kinds, remedy = " and ".join(algo.action_kinds), "choose another algorithm"
    if not hasattr(env, "actions"):
        raise ConfigError(f"algo={name} supports only {kinds} actions, and env offers {env.offers[0]} ones: {remedy}")
    raise ConfigError(
        f"env.actions={env.offers[0]} cannot be learned by algo={name}, which supports only {kinds} actions: "
        f"set env.actions={algo.action_kinds[0]} or {remedy}"
    )


def _new_files(env: Environment) -> str:
    paths = " or ".join(getattr(env, "data_paths", ()))
    return f" (new files in {paths}?)" if paths else ""


@dataclass(frozen=True, kw_only=True)
class Experiment:
    """One trial.

    Attributes:
        env: the environment.
        algo: the algorithm.
        network: the network.
        rollout: the backend that moves data between environment, replay buffer and learner.
        train: budget and intervals.
        tracking: sends results to a store besides the run folder.
        seed: seed of all random draws.
        config: the composed configuration as plain values, for records.
    """

    env: Environment
    algo: Algo
    network: Network
    rollout: Backend
    train: TrainOptions
    tracking: Tracker
    seed: int
    config: Mapping[str, Any]

    def run(self, folder: Path, *, resume: bool, console: Console) -> dict[str, float]:
        """Train, evaluate and report.

        Args:
            folder: the run folder; created if missing.
            resume: whether to resume from the newest checkpoint in the folder.
            console: prints the progress.

        Returns:
            The metrics of ``metrics.json``.

        Raises:
            Interrupted: a signal stopped the training, after a checkpoint.
            LabError: an option or the data are invalid.
        """
        folder.mkdir(parents=True, exist_ok=True)
        try:
            with FileLock(RunFolder(folder).lock, timeout=0):
                return self._run(folder, resume, console)
        except Timeout:
            raise ConfigError(f"{folder} belongs to a run that is still running: wait for it, or stop it") from None

    def _run(self, folder: Path, resume: bool, console: Console) -> dict[str, float]:
        actions = choose_actions(self.env, self.algo)
        if not resume and RunFolder(folder).curves.exists():
            raise ConfigError(
                f"{folder} holds a run already: resume it with resume={folder}, or choose another hydra.run.dir "
                "so that the results of two runs do not mix"
            )
        start = checkpoint.latest(RunFolder(folder).checkpoints) if resume else None
        with console.status("loading the data"):
            source = WorldSource(env=self.env, actions=actions)
            world = source.open()
            # Find out early whether the data lack a feature or the network does not fit.
            self.network.encoder(world.layout)
        progress = start[1] if start else Progress(data=world.digest)
        if progress.data != world.digest:
            raise ConfigError(
                f"{folder} cannot be resumed: the data, or their split by time, differ from those that the run "
                f"began with{_new_files(self.env)}; restore the old files, or start again with rerun="
            )
        console.print(f"run folder: {folder}", soft_wrap=True, highlight=False)
        for note in world.data_notes() if isinstance(world, NotedWorld) else ():
            console.print(Text(f"note: {note}"), soft_wrap=True)
        run = _Run(self, folder, source, world, console, progress)
        status: Status = "FAILED"
        try:
            run.learn(start[0] if start else None)
            metrics = run.evaluate()
            status = "FINISHED"
        except (Interrupted, KeyboardInterrupt):
            status = "KILLED"
            raise
        finally:
            run.log.close()
            run.tracking.finish(status)
        return metrics

    @property
    def name(self) -> str:
        """The name of the policy in tables."""
        return snake_case(type(self.algo).__name__)

    def build_learner(self, source: WorldSource) -> Learner:
        """Return a learner that is ready to train on a world."""
        world = source.open()
        return self.algo.learner(
            Setup(
                make_env=source.vector_env,
                layout=world.layout,
                actions=source.actions,
                action=world.action,
                observation_state=world.observation_state(),
                network=self.network,
                rollout=self.rollout,
                seed=self.seed,
                env_steps=self.train.env_steps,
                bidding_problem=world.bidding_problem if isinstance(world, PriceTaker) else None,
            )
        )

    def load_policy(self, world: World, run: Path) -> Policy:
        """Read the policy of a run.

        Raises:
            DataError: the run has none, or it belongs to another network or observation set.
        """
        encoder = self.network.encoder(world.layout)
        return load(RunFolder(run).policy, encoder, self.network.out_features, layout=world.layout, action=world.action)


class _Run:
    """The state of one run of an experiment."""

    def __init__(
        self,
        experiment: Experiment,
        folder: Path,
        source: WorldSource,
        world: World,
        console: Console,
        progress: Progress,
    ) -> None:
        self.experiment, self.folder, self.source, self.world = experiment, folder, source, world
        self.console, self.progress = console, progress
        self.log = RunLog(folder)
        self.log.rewind(progress.env_steps)
        self.tracking = experiment.tracking.start(folder, folder.name, experiment.config)

    def learn(self, start: Path | None) -> None:
        """Train, from a checkpoint if one is given."""
        experiment, validation = self.experiment, Validation(self.world)
        with self.console.status("building the learner"):
            if experiment.train.threads:
                torch.set_num_threads(experiment.train.threads)
            # It imports, too.
            with postponed_collection():
                learner = experiment.build_learner(self.source)
            if start is not None:
                checkpoint.restore(start, learner, RunFolder(self.folder).policy)

        def policy() -> Policy:
            return learner.policy(self.progress.env_steps)

        budget = experiment.train.env_steps
        progress = ConsoleProgress(self.console, budget, score_metric(self.world), self.progress.env_steps)
        trainer = Trainer(
            learner=learner,
            options=experiment.train,
            folder=self.folder,
            progress=self.progress,
            validate=lambda: validation(policy()),
            keep=lambda: policy().save(RunFolder(self.folder).policy),
            log=self._log,
            report=progress,
        )
        try:
            with progress:
                trainer.run()
        finally:
            learner.stop()

    def evaluate(self) -> dict[str, float]:
        """Evaluate the kept policy once on the test period, and write the results."""
        experiment = self.experiment
        policy, name = experiment.load_policy(self.world, self.folder), experiment.name
        final_evaluation.record_test_look(self.folder, name, self.world)
        with self.console.status("evaluating on the test period"):
            metrics, evaluations, table = final_evaluation.evaluate_test(self.world, policy, name)
        metrics |= self.progress.metrics()
        self.log.log({key: value for key, value in metrics.items() if key.startswith("test/")}, self.progress.env_steps)
        curves = pd.DataFrame(self.log.read())
        final_evaluation.write_results_page(
            self.folder, f"{name}, seed {experiment.seed}", self.world, evaluations, name, table, curves, metrics
        )
        # Last: a run folder with metrics.json counts as finished.
        final_evaluation.write_results(self.folder, metrics, evaluations[name], name)
        self.console.print(report.render_table(table, self.world))
        return metrics

    def _log(self, metrics: Mapping[str, float], env_steps: int) -> None:
        self.log.log(metrics, env_steps)
        self.tracking.log(metrics, env_steps)
