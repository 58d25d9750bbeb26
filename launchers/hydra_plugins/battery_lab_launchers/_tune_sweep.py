"""Tune sweep: runs a search on a Ray cluster and writes its best point to the sweep's folder."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.types import HydraContext
from hydra_plugins.battery_lab_launchers._ray_pool import RayOptions, RayPool
from hydra_plugins.battery_lab_launchers._sweep_errors import failure_error
from hydra_plugins.battery_lab_launchers._sweep_launch import Sweep, dry_run
from hydra_plugins.battery_lab_launchers._tune_search import STEPS, Point, RandomSearch, TuneSearch
from hydra_plugins.battery_lab_launchers._tune_space import Space, parse_space
from hydra_plugins.battery_lab_launchers.ray_launcher import RayLauncher
from omegaconf import DictConfig, OmegaConf
from pydantic import Field
from ray.tune.schedulers import AsyncHyperBandScheduler
from ray.tune.search import Searcher

from battery_lab.common.atomic_write import atomic_write
from battery_lab.common.errors import ConfigError, require
from battery_lab.common.validated_options import MOST_STEPS, Highest, Int, options
from battery_lab.sweep.journal import TrialState
from battery_lab.sweep.trial_folder import RESULT

RESULTS = "optimization_results.yaml"  # the name that Hydra's own optimizing sweepers use


@options("hydra.sweeper")
class TuneOptions:
    """Validated options of the sweeper, which TuneSweeperConf describes."""

    samples: Annotated[Int, Field(ge=1), Highest(1_000_000)]
    search: Literal["random", "optuna"]
    search_seed: Annotated[Int, Field(ge=0), Highest(2**32 - 1)]
    prune: bool
    grace_steps: Annotated[Int, Field(ge=1), Highest(MOST_STEPS)] | None
    reduction: Annotated[float, Field(gt=1), Highest(1000)]
    repeats: tuple[str, ...]


def search(arguments: list[str], launcher: Any, context: HydraContext, values: dict[str, Any]) -> float:
    """Search the space that overrides describe, and write the best point to the sweep's folder.

    Args:
        arguments: overrides of the command.
        launcher: the launcher, after setup.
        context: Hydra's context.
        values: options of the sweeper.

    Returns:
        The best validation capture.

    Raises:
        LabError: an option is invalid, or no trial finished.
        CommandExit: a signal stopped the search.
    """
    if not isinstance(launcher, RayLauncher):
        raise ConfigError("sweeper=tune runs its trials on a Ray cluster only: add launcher=ray")
    tune_options = TuneOptions(**values | {"repeats": list(values["repeats"])})
    parser = OverridesParser.create(config_loader=context.config_loader)
    space = parse_space(parser.parse_overrides(arguments), tune_options.repeats)
    sweep = Sweep(launcher)
    pool = RayPool(RayOptions(address=launcher.address, cpus=launcher.cpus, gpus=launcher.gpus))
    if sweep.options.dry_run:
        return _dry_run(sweep, space, tune_options, pool)
    with sweep.locked():
        earlier = [entry.choices for entry in sweep.journal.entries.values()]
        source = TuneSearch(
            space,
            _searcher(space, tune_options, len(earlier)),
            _scheduler(launcher.config, tune_options),
            tune_options.samples,
            lambda overrides: sweep.compose(overrides).trial,
        )
        if tune_options.search != "random":
            # Random search draws the same points again. Optuna must be given the earlier ones.
            source.resume_points(earlier)
        sweep.run(source, pool)
        return _conclude(sweep, source)


def _searcher(space: Space, tune_options: TuneOptions, earlier: int) -> Searcher:
    if tune_options.search == "random":
        return RandomSearch(space.domains, tune_options.search_seed)
    for key in space.domains:
        rule = f"must be random if {key} is searched, since Tune's Optuna search does not accept a slash in a name"
        require("/" not in key, "hydra.sweeper.search", rule, "optuna")
    from ray.tune.search.optuna import OptunaSearch

    # Another seed after an interruption, so that Optuna does not draw the same points again.
    searcher = OptunaSearch(seed=tune_options.search_seed + earlier)
    searcher.set_search_properties(RESULT, "max", dict(space.domains))
    return searcher


def _scheduler(config: DictConfig, tune_options: TuneOptions) -> AsyncHyperBandScheduler | None:
    if not tune_options.prune:
        return None
    budget = OmegaConf.select(config, "train.env_steps")
    grace = tune_options.grace_steps or OmegaConf.select(config, "train.validate_every")
    require(grace <= budget, "hydra.sweeper.grace_steps", f"must be at most train.env_steps={budget}", grace)
    return AsyncHyperBandScheduler(
        time_attr=STEPS,
        metric=RESULT,
        mode="max",
        max_t=int(budget),
        grace_period=int(grace),
        reduction_factor=tune_options.reduction,
    )


def _dry_run(sweep: Sweep, space: Space, tune_options: TuneOptions, pool: RayPool) -> float:
    """Print the points to train if no result is known. Optuna's later points depend on results."""
    searcher = _searcher(space, tune_options, 0)
    points = [searcher.suggest(f"point {number}") for number in range(tune_options.samples)]
    dry_run(sweep, [overrides for point in points for overrides in space.overrides(point)], pool)
    return float("nan")


def _conclude(sweep: Sweep, source: TuneSearch) -> float:
    trials = list(sweep.trials.values())
    candidates = [(point.is_complete, point.value, point) for point in source.points if point.value is not None]
    if not candidates:
        raise failure_error(trials)
    # Complete points come before pruned ones, whatever the pruned ones reached.
    _, value, best = max(candidates, key=lambda candidate: candidate[:2])
    _write(sweep.folder / RESULTS, best, value, len(source.points))
    numbers = ", ".join(str(trial.number) for trial in best.trials)
    chosen = " ".join(f"{key}={value}" for key, value in best.params.items())
    message = f"best of {len(source.points)}: {chosen}, validation capture {value:.3f} (trial {numbers})"
    sweep.console.print(message, soft_wrap=True, highlight=False, markup=False)
    if any(trial.entry.state == TrialState.FAILED for trial in trials):
        raise failure_error(trials)
    return float(value)


def _write(path: Path, best: Point, value: float, count: int) -> None:
    content = {
        "name": "tune",
        "best_params": dict(best.params),
        "best_value": value,
        "trials": [trial.number for trial in best.trials],
        "points": count,
    }
    atomic_write(path, yaml.safe_dump(content, sort_keys=False))
