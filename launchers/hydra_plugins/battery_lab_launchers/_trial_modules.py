"""Trial modules: what a trial of the lab imports, for a process that imports it before it knows the trial."""

from __future__ import annotations

from hydra_plugins.battery_lab_launchers._trial_job import TrialJob
from omegaconf import OmegaConf

from battery_lab.config.build import PARTS, TARGET

LAB = "battery_lab."
TASK = "battery_lab.cli.run_trial"
# What every trial imports beside the classes of its parts, most of it when it writes its results.
ALWAYS = (
    TASK,
    "battery_lab.experiment.experiment",
    "jinja2",
    "matplotlib.backends.backend_svg",
    "matplotlib.figure",
    "pyarrow.parquet",
    "rich.console",
    "tensorboardX.proto.event_pb2",
)


def sets_environment(job: TrialJob) -> bool:
    """Return whether Hydra sets environment variables for a trial."""
    return bool(OmegaConf.select(job.config, "hydra.job.env_set"))


def trial_modules(job: TrialJob) -> list[str]:
    """Return the modules of the lab that a trial imports. Those of other Hydra applications import none of them.

    Modules of the user are left out, as what they do when they are imported belongs to a trial.
    """
    if getattr(job.task, "__module__", "") != TASK:
        return []
    targets = [str(OmegaConf.select(job.config, f"{part}.{TARGET}")) for part in PARTS]
    return sorted({*ALWAYS, *(target.rpartition(".")[0] for target in targets if target.startswith(LAB))})
