"""Ray pool: trials as tasks of a Ray cluster, each in a placement group with its env runners and learners."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import cloudpickle
import ray
from hydra_plugins.battery_lab_launchers._ray_worker import STOP_FILE, STOPPED, run_received_trial
from hydra_plugins.battery_lab_launchers._trial_job import STOPPED_FROM_OUTSIDE, TrialJob, read_outcome
from omegaconf import OmegaConf
from pydantic import Field
from ray.exceptions import NodeDiedError, OutOfMemoryError, RayError, RayTaskError, WorkerCrashedError
from ray.util.placement_group import PlacementGroup, placement_group, placement_group_table, remove_placement_group
from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy

from battery_lab.common.errors import ConfigError
from battery_lab.common.validated_options import Highest, options
from battery_lab.rllib.ray_runtime import connect_ray, start_ray
from battery_lab.sweep.interfaces import Outcome
from battery_lab.sweep.journal import TrialState

# Each in a new worker process. Retries are up to the sweep's scheduler, not Ray.
REMOTE_TRIAL = ray.remote(max_calls=1, max_retries=0)(run_received_trial)
# A lost node's tasks fail at once, but the cluster may need this long to report the node as dead.
NODE_DEATH_REPORT_S = 40.0


@options("hydra.launcher")
class RayOptions:
    """Validated options of the launcher, which RayLauncherConf describes."""

    address: str
    cpus: Annotated[float, Field(ge=1), Highest(4096)]
    gpus: Annotated[float, Field(ge=0), Highest(1024)]


@dataclass(eq=False)
class _RayTrial:
    number: int
    folder: Path
    place: PlacementGroup
    content: bytes
    task: Any = None
    node: str | None = None
    crashed_at: float | None = None
    stop_requested: bool = False


class RayPool:
    """Runs trials on a Ray cluster."""

    def __init__(self, options: RayOptions) -> None:
        """Store the options. The cluster is contacted by :meth:`open`."""
        self._resources = {"CPU": options.cpus} | ({"GPU": options.gpus} if options.gpus else {})
        self._address = options.address
        self._running: dict[int, _RayTrial] = {}

    def open(self) -> None:
        """Connect to the cluster, or start one on this machine.

        Raises:
            ConfigError: there is no such cluster.
        """
        if self._address == "local":
            start_ray(0)
        else:
            connect_ray(self._address)

    @property
    def trial_resources(self) -> str:
        return " and ".join(f"{count:g} {kind}" for kind, count in self._resources.items())

    @property
    def max_parallel(self) -> int:
        """Number of trials without env runners that run at once."""
        if self._address != "local":
            self.open()
        available = ray.cluster_resources() if ray.is_initialized() else {"CPU": float(os.cpu_count() or 1)}
        return max(1, int(min(available.get(kind, 0) / count for kind, count in self._resources.items())))

    @property
    def has_capacity(self) -> bool:
        """Whether another trial can start: at most one waits for its placement, the others in the journal."""
        return all(running.task is not None for running in self._running.values())

    @property
    def is_busy(self) -> bool:
        return bool(self._running)

    def start(self, number: int, folder: Path, job: TrialJob) -> None:
        """Request a placement group for a trial, its env runners and learners. The trial starts when it is ready.

        Args:
            number: number of the trial.
            folder: run folder of the trial, created if missing. All nodes must be able to access it.
            job: the trial.

        Raises:
            ConfigError: the trial needs more than the whole cluster has.
        """
        folder.mkdir(parents=True, exist_ok=True)
        (folder / STOP_FILE).unlink(missing_ok=True)
        bundles = [self._resources, *_actor_bundles(job)]
        self._check_fits(bundles)
        # The job is pickled separately, so that a node with another version can report that before it unpickles it.
        content = cloudpickle.dumps({"job": cloudpickle.dumps(job), "folder": str(folder), "source": job.source})
        self._running[number] = _RayTrial(number, folder, placement_group(bundles, strategy="PACK"), content)

    def wait(self, seconds: float) -> Iterator[Outcome]:
        for running in [r for r in self._running.values() if r.stop_requested and r.task is None]:
            self._free(running)
            yield Outcome(number=running.number, state=TrialState.STOPPED)
        self._start_placed()
        tasks = {running.task: running for running in self._running.values() if running.task is not None}
        if not tasks:
            time.sleep(min(seconds, 0.1))
            return
        if not ray.wait(list(tasks), num_returns=1, timeout=seconds)[0]:
            return
        # All finished tasks, since a task whose node may be lost stays among them for a while.
        for task in ray.wait(list(tasks), num_returns=len(tasks), timeout=0)[0]:
            if (outcome := self._outcome(tasks[task])) is not None:
                self._free(tasks[task])
                yield outcome

    def stop(self, number: int | None = None, by_signal: bool = False) -> None:
        for running in self._running.values():
            if number in (None, running.number):
                running.stop_requested = True
                (running.folder / STOP_FILE).touch()

    def close(self) -> None:
        for running in list(self._running.values()):
            if running.task is not None:
                with suppress(RayError, ValueError):
                    ray.cancel(running.task, force=True)
            self._free(running)

    def _start_placed(self) -> None:
        """Start the trials whose placement group is ready."""
        for running in self._running.values():
            if running.task is None and running.place.wait(0):
                strategy = PlacementGroupSchedulingStrategy(
                    running.place, placement_group_bundle_index=0, placement_group_capture_child_tasks=True
                )
                task = REMOTE_TRIAL.options(
                    num_cpus=self._resources["CPU"],
                    num_gpus=self._resources.get("GPU", 0),
                    scheduling_strategy=strategy,
                    name=f"trial {running.number}",
                )
                running.node = placement_group_table(running.place)["bundles_to_node_id"][0]
                running.task = task.remote(running.content)

    def _outcome(self, running: _RayTrial) -> Outcome | None:
        """Return the outcome of a finished task. None: it is not known yet whether its node is lost."""
        number = running.number
        try:
            data = ray.get(running.task)
        except OutOfMemoryError as error:
            return Outcome(number=number, state=TrialState.FAILED, reason=f"out of memory: {_first_line(error)}")
        except (WorkerCrashedError, NodeDiedError) as error:
            return self._crash_outcome(running, error)
        except RayTaskError as error:
            # For example, the node cannot access the folder. The trial's checkpoint stays usable.
            return Outcome(number=number, state=TrialState.FAILED, reason=" ".join(str(error.cause).split()))
        except RayError as error:
            return Outcome(number=number, state=TrialState.FAILED, reason=_first_line(error))
        if data == STOPPED:
            if running.stop_requested:
                return Outcome(number=number, state=TrialState.STOPPED)
            return Outcome(number=number, state=TrialState.FAILED, reason=STOPPED_FROM_OUTSIDE)
        return read_outcome(number, data)

    def _crash_outcome(self, running: _RayTrial, error: RayError) -> Outcome | None:
        number, now = running.number, time.monotonic()
        is_lost = not any(node["Alive"] for node in ray.nodes() if node["NodeID"] == running.node)
        if is_lost or isinstance(error, NodeDiedError):
            return Outcome(number=number, state=TrialState.FAILED, reason="its node was lost", machine_lost=True)
        running.crashed_at = running.crashed_at or now
        if now - running.crashed_at < NODE_DEATH_REPORT_S:
            time.sleep(0.1)
            return None
        reason = "its process was killed, possibly because it was out of memory"
        return Outcome(number=number, state=TrialState.FAILED, reason=reason)

    def _free(self, running: _RayTrial) -> None:
        remove_placement_group(running.place)
        del self._running[running.number]

    @staticmethod
    def _check_fits(bundles: Sequence[Mapping[str, float]]) -> None:
        available = ray.cluster_resources()
        nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
        for kind in ("CPU", "GPU"):
            option = f"hydra.launcher.{kind.lower()}s"
            largest = max((node.get(kind, 0) for node in nodes), default=0)
            needed = max(bundle.get(kind, 0) for bundle in bundles)
            if needed > largest:
                raise ConfigError(
                    f"a trial's own process needs {needed:g} {kind}s, but the largest node of the cluster has "
                    f"{largest:g}: lower {option}, or add a larger node"
                )
            total = sum(bundle.get(kind, 0) for bundle in bundles)
            if total > available.get(kind, 0):
                raise ConfigError(
                    f"a trial with its env runners and learners needs {total:g} {kind}s, but the cluster has "
                    f"{available.get(kind, 0):g}: lower {option} or algo.num_env_runners, or add nodes"
                )


def _actor_bundles(job: TrialJob) -> list[dict[str, float]]:
    """Return the resources of a trial's env runners and learners, beside its own process."""
    runners, learners, gpus = (
        OmegaConf.select(job.config, f"algo.{name}") or 0
        for name in ("num_env_runners", "num_learners", "gpus_per_learner")
    )
    learner = {"CPU": 1.0} | ({"GPU": float(gpus)} if gpus else {})
    return [{"CPU": 1.0} for _ in range(int(runners))] + [dict(learner) for _ in range(int(learners))]


def _first_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0] if lines else type(error).__name__
