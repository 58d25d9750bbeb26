"""From Hydra's command to a search on a Ray cluster, and what came out of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.types import HydraContext
from hydra_plugins.battery_lab_launchers._job_returns import failure
from hydra_plugins.battery_lab_launchers._ray_pool import RayPool
from hydra_plugins.battery_lab_launchers._sweep import Sweep, show
from hydra_plugins.battery_lab_launchers._tune_search import STEPS, Point, RandomSearch, Search
from hydra_plugins.battery_lab_launchers._tune_space import Space, space
from hydra_plugins.battery_lab_launchers.ray_launcher import RayLauncher
from omegaconf import DictConfig, OmegaConf
from ray.tune.schedulers import AsyncHyperBandScheduler
from ray.tune.search import Searcher

from battery_lab.common.atomic_write import atomic_write
from battery_lab.common.errors import ConfigError, require, require_choice
from battery_lab.sweep.journal import State
from battery_lab.sweep.trial_folder import RESULT

RESULTS = "optimization_results.yaml"  # as Hydra's own searching sweepers call it
SEARCHES = ("random", "optuna")


def search(arguments: list[str], launcher: Any, context: HydraContext, options: dict[str, Any]) -> float:
    """Search the space that overrides describe, and write what was best to the sweep's folder.

    Args:
        arguments: the overrides.
        launcher: set up by Hydra.
        context: Hydra's.
        options: of the sweeper.

    Returns:
        The best validation capture.

    Raises:
        LabError: an option is at fault, or no trial came to its end.
        CommandExit: a signal stopped it.
    """
    if not isinstance(launcher, RayLauncher):
        raise ConfigError("sweeper=tune runs its trials on a Ray cluster alone: add launcher=ray")
    _check(options)
    parser = OverridesParser.create(config_loader=context.config_loader)
    found = space(parser.parse_overrides(arguments), options["repeats"])
    sweep = Sweep(launcher)
    pool = RayPool(address=launcher.address, cpus=launcher.cpus, gpus=launcher.gpus)
    if sweep.options.dry_run:
        return _shown(sweep, found, options, pool)
    with sweep.held():
        earlier = [entry.choices for entry in sweep.journal.entries.values()]
        source = Search(
            found,
            _searcher(found, options, len(earlier)),
            _scheduler(launcher.config, options),
            options["samples"],
            lambda overrides: sweep.compose(overrides).trial,
        )
        if options["search"] != "random":
            # A draw is the same every time; what learns from results must be told of those that there are.
            source.go_on_with(earlier)
        sweep.run(source, pool)
        return _concluded(sweep, source)


def _check(options: dict[str, Any]) -> None:
    require_choice("hydra.sweeper.search", options["search"], SEARCHES)
    for name in ("samples", "grace_steps"):
        value = options[name]
        known = value is None and name == "grace_steps"
        require(known or value >= 1, f"hydra.sweeper.{name}", "must be a whole number from 1", value)
    require(options["reduction"] > 1, "hydra.sweeper.reduction", "must be a number above 1", options["reduction"])


def _searcher(found: Space, options: dict[str, Any], earlier: int) -> Searcher:
    if options["search"] == "random":
        return RandomSearch(found.domains, options["search_seed"])
    for key in found.domains:
        rule = f"must be random where {key} is searched, as Tune's Optuna takes no slash in a name"
        require("/" not in key, "hydra.sweeper.search", rule, "optuna")
    from ray.tune.search.optuna import OptunaSearch

    # Another seed after an interruption, or what was drawn before would be drawn again.
    searcher = OptunaSearch(seed=options["search_seed"] + earlier)
    searcher.set_search_properties(RESULT, "max", dict(found.domains))
    return searcher


def _scheduler(config: DictConfig, options: dict[str, Any]) -> AsyncHyperBandScheduler | None:
    if not options["prune"]:
        return None
    budget = OmegaConf.select(config, "train.env_steps")
    grace = options["grace_steps"] or OmegaConf.select(config, "train.validate_every")
    require(grace <= budget, "hydra.sweeper.grace_steps", f"must be at most train.env_steps={budget}", grace)
    return AsyncHyperBandScheduler(
        time_attr=STEPS,
        metric=RESULT,
        mode="max",
        max_t=int(budget),
        grace_period=int(grace),
        reduction_factor=options["reduction"],
    )


def _shown(sweep: Sweep, found: Space, options: dict[str, Any], pool: RayPool) -> float:
    """Print what would be tried first, as the rest of a search may depend on what comes out."""
    searcher = _searcher(found, options, 0)
    points = [searcher.suggest(f"point {number}") for number in range(options["samples"])]
    show(sweep, [overrides for point in points for overrides in found.overrides(point)], pool)
    return float("nan")


def _concluded(sweep: Sweep, source: Search) -> float:
    trials = list(sweep.trials.values())
    valued = [(point.whole, point.value, point) for point in source.points if point.value is not None]
    if not valued:
        raise failure(trials)
    # What was ended early is no match for what came to its end, whatever it was worth by then.
    _, value, best = max(valued, key=lambda found: found[:2])
    _write(sweep.folder / RESULTS, best, value, len(source.points))
    numbers = ", ".join(str(trial.number) for trial in best.trials)
    chosen = " ".join(f"{key}={value}" for key, value in best.params.items())
    told = f"best of {len(source.points)}: {chosen}, validation capture {value:.3f} (trial {numbers})"
    sweep.console.print(told, soft_wrap=True, highlight=False, markup=False)
    if any(trial.entry.state == State.FAILED for trial in trials):
        raise failure(trials)
    return float(value)


def _write(path: Path, best: Point, value: float, count: int) -> None:
    told = {
        "name": "tune",
        "best_params": dict(best.params),
        "best_value": value,
        "trials": [trial.number for trial in best.trials],
        "points": count,
    }
    atomic_write(path, yaml.safe_dump(told, sort_keys=False))
