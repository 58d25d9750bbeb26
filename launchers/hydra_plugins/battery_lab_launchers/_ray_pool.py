"""Trials as tasks of a Ray cluster: driver and runners reserved together, what is lost begun again elsewhere."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cloudpickle
import ray
from hydra_plugins.battery_lab_launchers._ray_worker import STOP, STOPPED, run_trial
from hydra_plugins.battery_lab_launchers._trial_job import STOPPED_BY_OTHERS, TrialJob, ending
from omegaconf import OmegaConf
from ray.exceptions import NodeDiedError, OutOfMemoryError, RayError, RayTaskError, WorkerCrashedError
from ray.util.placement_group import PlacementGroup, placement_group, placement_group_table, remove_placement_group
from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy

from battery_lab.common.errors import ConfigError, require
from battery_lab.rllib.ray_runtime import connect_ray, start_ray
from battery_lab.sweep.interfaces import Outcome
from battery_lab.sweep.journal import State

# Each in a process of its own, which no other trial was in, and never begun again behind our back.
REMOTE_TRIAL = ray.remote(max_calls=1, max_retries=0)(run_trial)
# How long a cluster may take to find out that a node is gone, whose tasks break off at once.
LOST_WITHIN_S = 40.0


@dataclass(eq=False)
class _Running:
    number: int
    folder: Path
    place: PlacementGroup
    content: bytes
    task: Any = None
    node: str | None = None
    broken: float | None = None
    unwanted: bool = False


class RayPool:
    """A Ray cluster, as trials see it."""

    def __init__(self, *, address: str, cpus: float, gpus: float) -> None:
        """Remember which cluster it is.

        Args:
            address: of its head; ``local`` starts one.
            cpus: of a trial's own process.
            gpus: of a trial's own process.

        Raises:
            ConfigError: an option is at fault.
        """
        require(cpus >= 1, "hydra.launcher.cpus", "must be a number from 1", cpus)
        require(gpus >= 0, "hydra.launcher.gpus", "must be a number from 0", gpus)
        self._own = {"CPU": float(cpus)} | ({"GPU": float(gpus)} if gpus else {})
        self._address = address
        self._running: dict[int, _Running] = {}

    def open(self) -> None:
        """Join the cluster, or start one here.

        Raises:
            ConfigError: there is no such cluster.
        """
        if self._address == "local":
            start_ray(0)
        else:
            connect_ray(self._address)

    @property
    def trial_resources(self) -> str:
        """What a trial takes of the cluster, in words."""
        return " and ".join(f"{count:g} {kind}" for kind, count in self._own.items())

    @property
    def max_parallel(self) -> int:
        """How many trials of the smallest kind run at once."""
        if self._address != "local":
            self.open()
        there = ray.cluster_resources() if ray.is_initialized() else {"CPU": float(os.cpu_count() or 1)}
        return max(1, int(min(there.get(kind, 0) / count for kind, count in self._own.items())))

    @property
    def has_capacity(self) -> bool:
        """Whether another trial may be begun: one of them waits for a place at most, and the others in the journal."""
        return all(running.task is not None for running in self._running.values())

    @property
    def is_busy(self) -> bool:
        """Whether any trial is under way."""
        return bool(self._running)

    def start(self, number: int, folder: Path, job: TrialJob) -> None:
        """Reserve a place for a trial and its runners and learners, in which it begins as soon as there is one.

        Args:
            number: by which its end will be told.
            folder: of the trial, made if missing; all nodes must see it.
            job: what it is.

        Raises:
            ConfigError: the cluster could never hold it.
        """
        folder.mkdir(parents=True, exist_ok=True)
        (folder / STOP).unlink(missing_ok=True)
        bundles = [self._own, *_runners(job)]
        self._check_fits(bundles)
        # The trial by itself, so that a node with another lab can say so before it reads it.
        content = cloudpickle.dumps({"job": cloudpickle.dumps(job), "folder": str(folder), "source": job.source})
        self._running[number] = _Running(number, folder, placement_group(bundles, strategy="PACK"), content)

    def wait(self, seconds: float) -> Iterator[Outcome]:
        """Wait for trials to end, for so long at most; yields those that did."""
        for running in [r for r in self._running.values() if r.unwanted and r.task is None]:
            self._free(running)
            yield Outcome(number=running.number, state=State.STOPPED)
        self._place()
        tasks = {running.task: running for running in self._running.values() if running.task is not None}
        if not tasks:
            # None has a place yet, or there is none at all.
            time.sleep(min(seconds, 0.1))
            return
        if not ray.wait(list(tasks), num_returns=1, timeout=seconds)[0]:
            return
        # All that ended, as one whose node may be lost stays among them for a while.
        for task in ray.wait(list(tasks), num_returns=len(tasks), timeout=0)[0]:
            if (ended := self._ending(tasks[task])) is not None:
                self._free(tasks[task])
                yield ended

    def stop(self, number: int | None = None, by_signal: bool = False) -> None:
        """Ask a trial to stop, with a checkpoint if it trains; None: all of them."""
        for running in self._running.values():
            if number in (None, running.number):
                running.unwanted = True
                (running.folder / STOP).touch()

    def close(self) -> None:
        """End what still runs, at once."""
        for running in list(self._running.values()):
            if running.task is not None:
                with suppress(RayError, ValueError):
                    ray.cancel(running.task, force=True)
            self._free(running)

    def _place(self) -> None:
        """Begin the trials whose place is there."""
        for running in self._running.values():
            if running.task is None and running.place.wait(0):
                strategy = PlacementGroupSchedulingStrategy(
                    running.place, placement_group_bundle_index=0, placement_group_capture_child_tasks=True
                )
                task = REMOTE_TRIAL.options(
                    num_cpus=self._own["CPU"],
                    num_gpus=self._own.get("GPU", 0),
                    scheduling_strategy=strategy,
                    name=f"trial {running.number}",
                )
                running.node = placement_group_table(running.place)["bundles_to_node_id"][0]
                running.task = task.remote(running.content)

    def _ending(self, running: _Running) -> Outcome | None:
        """Return how a trial's task ended; None while it cannot be told yet whether its node is lost."""
        number = running.number
        try:
            told = ray.get(running.task)
        except OutOfMemoryError as error:
            return Outcome(number=number, state=State.FAILED, reason=f"out of memory: {_first_line(error)}")
        except (WorkerCrashedError, NodeDiedError) as error:
            return self._broken(running, error)
        except RayTaskError as error:
            # Such as a node's that does not see the folder: nothing against the trial's checkpoint.
            return Outcome(number=number, state=State.FAILED, reason=" ".join(str(error.cause).split()))
        except RayError as error:
            return Outcome(number=number, state=State.FAILED, reason=_first_line(error))
        if told == STOPPED:
            if running.unwanted:
                return Outcome(number=number, state=State.STOPPED)
            return Outcome(number=number, state=State.FAILED, reason=STOPPED_BY_OTHERS)
        return ending(number, told)

    def _broken(self, running: _Running, error: RayError) -> Outcome | None:
        number, now = running.number, time.monotonic()
        lost = not any(node["Alive"] for node in ray.nodes() if node["NodeID"] == running.node)
        if lost or isinstance(error, NodeDiedError):
            return Outcome(number=number, state=State.FAILED, reason="its node was lost", machine_lost=True)
        running.broken = running.broken or now
        if now - running.broken < LOST_WITHIN_S:
            time.sleep(0.1)
            return None
        return Outcome(
            number=number, state=State.FAILED, reason="its process was killed, which may have been for memory"
        )

    def _free(self, running: _Running) -> None:
        remove_placement_group(running.place)
        del self._running[running.number]

    @staticmethod
    def _check_fits(bundles: Sequence[Mapping[str, float]]) -> None:
        there = ray.cluster_resources()
        nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
        for kind in ("CPU", "GPU"):
            largest = max((node.get(kind, 0) for node in nodes), default=0)
            most = max(bundle.get(kind, 0) for bundle in bundles)
            if most > largest:
                raise ConfigError(
                    f"a trial's own process takes {most:g} {kind}s, and the largest node of the cluster has "
                    f"{largest:g}: lower hydra.launcher.{kind.lower()}s, or add such a node"
                )
            wanted = sum(bundle.get(kind, 0) for bundle in bundles)
            if wanted > there.get(kind, 0):
                raise ConfigError(
                    f"a trial takes {wanted:g} {kind}s, for itself and its runners and learners, and the cluster has "
                    f"{there.get(kind, 0):g}: lower hydra.launcher.{kind.lower()}s or algo.num_env_runners, or add "
                    "nodes"
                )


def _runners(job: TrialJob) -> list[dict[str, float]]:
    """Return what the runners and learners of a trial take beside its own process."""
    runners, learners, gpus = (
        OmegaConf.select(job.config, f"algo.{name}") or 0
        for name in ("num_env_runners", "num_learners", "gpus_per_learner")
    )
    learner = {"CPU": 1.0} | ({"GPU": float(gpus)} if gpus else {})
    return [{"CPU": 1.0} for _ in range(int(runners))] + [dict(learner) for _ in range(int(learners))]


def _first_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0] if lines else type(error).__name__
