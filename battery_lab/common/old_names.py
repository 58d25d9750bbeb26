"""Old names: what modules, classes and options of earlier versions are called now, for the runs that refer to them.

A stored ``trial.yaml`` names classes as ``_target_``; RLlib's checkpoints are pickles, which name them too.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

PACKAGE = "battery_lab"
# Old module -> new module, both below battery_lab.
MODULES = {
    "algos.encoder": "algos.rllib_encoder",
    "algos.off_policy": "algos.off_policy_options",
    "algos.rllib_learner": "algos.rllib_algorithm_adapter",
    "baselines.random": "baselines.random_dispatch",
    "baselines.rule": "baselines.percentile_rule",
    "battery": "envs.battery.physics",
    "checkpoint": "experiment.checkpoint",
    "cli.hydra_run_mode": "cli.hydra_startup_shortcut",
    "common.cache_folder": "common.cache_keys_and_cleanup",
    "common.lean_imports": "common.hide_optional_imports",
    "common.option_name": "common.snake_case",
    "config.hydra_errors": "config.hydra_error_messages",
    "dispatch": "envs.battery.dispatch_result",
    "display": "experiment.console_progress",
    "envs.actions": "envs.battery.action_set",
    "envs.base": "envs.interfaces",
    "envs.baseline_cache": "envs.battery.baseline_cache",
    "envs.battery.bidding_problem": "envs.battery.bid_gradient_problem",
    "envs.battery.coming_interval": "envs.battery.interval_lookup",
    "envs.battery.decision_comparison": "envs.battery.function_audit_checks",
    "envs.battery.prepared_data": "envs.battery.prepared_data_cache",
    "envs.battery.price_bands": "envs.battery.aemo_price_bands",
    "envs.battery_market": "envs.battery.environment",
    "envs.battery_panels": "envs.battery.dispatch_plots",
    "envs.battery_single": "envs.battery.single_env",
    "envs.battery_vector": "envs.battery.vector_env",
    "envs.battery_week": "envs.battery.week_plot",
    "envs.rollout": "envs.battery.parallel_stretches",
    "envs.time_split": "envs.battery.time_split",
    "errors": "common.errors",
    "evaluation": "experiment.policy_metrics",
    "experiment.finished_run_check": "experiment.refuse_finished_run",
    "exporting": "policies.onnx_export",
    "judging": "experiment.reevaluate",  # codespell:ignore judging
    "levels": "planning.energy_grid",
    "market.cache": "market.series_cache",
    "market.checks": "market.row_order",
    "market.files": "market.price_files",
    "market.grid": "market.interval_grid",
    "market.reader": "market.file_market_base",
    "market.rows": "market.rows_with_source",
    "market.series": "market.market_series",
    "market.stamps": "market.timestamps",
    "market.synthetic_offers": "market.synthetic_supply_curve",
    "market.synthetic_regimes": "market.synthetic_year_factors",
    "market.unknown_values": "market.future_values",
    "observations.features": "observations.past_features",
    "observations.history": "observations.market_history",
    "observations.rolling": "market.rolling_statistics",
    "observations.scaling": "observations.fitted_scales",
    "optimum": "planning.perfect_foresight",
    "policy": "policies.policy",
    "problem": "envs.battery.dispatch_problem",
    "registration": "gym_registration",
    "results": "experiment.final_evaluation",
    "rewards.shaping": "rewards.weighted_terms",
    "rewards.undelivered": "rewards.undelivered_energy",
    "rllib.runners.fast_forward_pass": "rllib.runners.exploration_forward",
    "rollout.acting": "rllib.runners.action_sampling",
    "rollout.advantages": "rllib.learners.advantages",
    "rollout.agreement": "rllib.gradient_step.equivalence",
    "rollout.algorithm": "rllib.array_algorithm",
    "rollout.array_runner": "rllib.runners.array_runner",
    "rollout.callbacks": "rllib.runners.environment_log",
    "rollout.cluster": "rllib.ray_runtime",
    "rollout.compiling": "rllib.gradient_step.compiler_process",
    "rollout.descent": "rllib.gradient_step.optimizer_step",
    "rollout.distributions": "rllib.learners.fast_categorical",
    "rollout.dqn_learner": "rllib.learners.dqn_learner",
    "rollout.episodes": "rllib.runners.episode_returns",
    "rollout.fragment": "rllib.runners.fragment",
    "rollout.gradients": "rllib.gradient_step.autograd",
    "rollout.learner": "rllib.learners.array_learner",
    "rollout.minibatches": "rllib.learners.minibatches",
    "rollout.off_policy": "rllib.replay_algorithms",
    "rollout.off_policy_learner": "rllib.learners.off_policy_learner",
    "rollout.on_policy": "rllib.ppo_algorithm",
    "rollout.options": "rllib.rollout_backends",
    "rollout.ppo_learner": "rllib.learners.ppo_learner",
    "rollout.priorities": "rllib.replay.priorities",
    "rollout.program": "rllib.gradient_step.gradient_program",
    "rollout.replay": "rllib.replay.transition_replay",
    "rollout.replay_files": "rllib.replay.checkpoint_files",
    "rollout.resources": "rllib.threads_and_malloc",
    "rollout.rings": "rllib.replay.ring_buffer",
    "rollout.runner": "rllib.runners.checkpointed_runner",
    "rollout.sac_learner": "rllib.learners.sac_learner",
    "rollout.said": "rllib.remote_learner_warnings",  # codespell:ignore said
    "rollout.steps": "rllib.gradient_step.gradient_steps",
    "rollout.stock": "rllib.stock_replay_algorithms",
    "sweep.options": "sweep.sweep_control_options",
    "sweep.trial_digests": "sweep.trial_identity",
    "tracking.mlflow_tracking": "tracking.mlflow_option",
    "tracking.mlflow_upload": "tracking.mlflow_run_sync",
    "training": "experiment.trainer",
    "transition": "envs.battery.transition_accounts",
    "worlds": "envs.world_cache",
}
# (New module, old name in it) -> (module, name) now, for what was renamed or split off.
RENAMED = {
    ("baselines.percentile_rule", "Rule"): ("baselines.percentile_rule", "PercentileRule"),
    ("baselines.random_dispatch", "Random"): ("baselines.random_dispatch", "RandomDispatch"),
    ("envs.battery.transition_accounts", "RewardContext"): ("envs.battery.reward_context", "RewardContext"),
    ("envs.battery.transition_accounts", "ValueTable"): ("envs.battery.reward_context", "ValueTable"),
    ("market.synthetic_supply_curve", "Plunges"): ("market.synthetic_bursts", "Plunges"),
    ("market.synthetic_supply_curve", "Regime"): ("market.synthetic_year_factors", "Regime"),
    ("market.synthetic_supply_curve", "Spikes"): ("market.synthetic_bursts", "Spikes"),
    ("observations.market_history", "ColumnScale"): ("observations.column_scale", "ColumnScale"),
    ("observations.observation_set", "Layout"): ("envs.layout", "Layout"),
    ("observations.observation_set", "Observer"): ("observations.observer", "Observer"),
    ("observations.observation_set", "Scaling"): ("observations.fitted_scales", "Scaling"),
    ("observations.past_features", "Ahead"): ("observations.forecast_features", "ForecastHours"),
    ("observations.past_features", "Calendar"): ("observations.calendar_features", "Calendar"),
    ("observations.past_features", "HourOfDay"): ("observations.calendar_features", "HourOfDay"),
    ("rewards.undelivered_energy", "Undelivered"): ("rewards.undelivered_energy", "UndeliveredEnergy"),
    ("rllib.rollout_backends", "ArrayRollout"): ("rllib.rollout_backends", "ArrayBackend"),
    ("rllib.rollout_backends", "StockRollout"): ("rllib.rollout_backends", "StockBackend"),
    ("rllib.runners.checkpointed_runner", "LabEnvRunner"): (
        "rllib.runners.checkpointed_runner",
        "CheckpointedEnvRunner",
    ),
    ("rllib.runners.checkpointed_runner", "RunnerMakesIt"): ("rllib.runners.checkpointed_runner", "EnvPlaceholder"),
    ("rllib.runners.environment_log", "LogEnvironment"): ("rllib.runners.environment_log", "EnvironmentLog"),
    ("rllib.replay.priorities", "SumTree"): ("rllib.replay.sum_tree", "SumTree"),
    ("rllib.stock_replay_algorithms", "CheckpointedPPOLearner"): ("rllib.stock_learners", "CheckpointedPPOLearner"),
    ("rllib.stock_replay_algorithms", "CheckpointedSACLearner"): ("rllib.stock_learners", "CheckpointedSACLearner"),
    # After the two above: the last entry of a class is its first name.
    ("rllib.stock_replay_algorithms", "KeepsCoefficients"): ("rllib.stock_learners", "CheckpointedPPOLearner"),
    ("rllib.stock_replay_algorithms", "KeepsTemperature"): ("rllib.stock_learners", "CheckpointedSACLearner"),
    ("rllib.replay.ring_buffer", "Layout"): ("rllib.replay.ring_buffer", "RowLayout"),
}
DAY_AHEAD: dict[str, object] = {"price_range": None, "day_ahead_published": None}
# Options that all markets of files have had since they read files of any dialect.
READING_OPTIONS: dict[str, object] = {"decimal": None, "where": {}, "newest_by": None, "resample": None}
# Class -> options that it did not have yet, with the values that match its behavior then.
ADDED_OPTIONS: dict[str, dict[str, object]] = {
    "battery_lab.algos.ppo.PPO": {"min_batches": 0},
    "battery_lab.baselines.receding_horizon.RecedingHorizon": {"forecasts": None, "latency_h": 0.0},
    "battery_lab.envs.battery.environment.BatteryMarket": {
        "bid_levels": 9,
        "skip_last_days": 0,
        "max_filled_h": None,
    },
    "battery_lab.envs.battery.physics.Battery": {
        "wear_per_mwh_charged": 0.0,
        "max_cycles_per_day": None,
        "max_cycles_per_year": None,
    },
    "battery_lab.experiment.trainer.TrainOptions": {"keep_policy": "best"},
    "battery_lab.market.aemo.AemoMarket": {"price_floor": -1000.0, "price_cap": 20300.0, "price_range": None}
    | READING_OPTIONS,
    "battery_lab.market.caiso.CaisoMarket": {"price_floor": -150.0, "price_cap": 1000.0} | DAY_AHEAD | READING_OPTIONS,
    "battery_lab.market.ercot.ErcotMarket": {"price_floor": -250.0, "price_cap": 2000.0} | DAY_AHEAD | READING_OPTIONS,
    "battery_lab.market.nyiso.NyisoMarket": {"price_floor": -1000.0, "price_cap": 1000.0} | DAY_AHEAD | READING_OPTIONS,
    "battery_lab.market.synthetic.SyntheticMarket": {"vintages": False, "forecaster": None},
    "battery_lab.market.table.TableMarket": {
        "price_floor": None,
        "price_cap": None,
        "price_range": None,
        "published": {},
        "forecasts": {},
    }
    | READING_OPTIONS,
    "battery_lab.observations.forecast_features.ForecastHours": {"optional": False},
    "battery_lab.observations.observation_set.ObservationSet": {"cap_left": False},
    "battery_lab.observations.past_features.Quantiles": {"optional": False},
    "battery_lab.observations.past_features.SameHours": {"optional": False},
}
# Class -> options that only accept or refuse the data: whatever their value, a trial that runs gives the same results.
ACCEPTING_OPTIONS: dict[str, tuple[str, ...]] = {
    "battery_lab.envs.battery.environment.BatteryMarket": ("max_filled_h",),
}
# Class -> options that have an effect only if another option has a value: option -> (other option, its value).
CONDITIONAL_OPTIONS: dict[str, dict[str, tuple[str, object]]] = {
    "battery_lab.market.synthetic.SyntheticMarket": {"forecaster": ("vintages", True)},
    "battery_lab.envs.battery.environment.BatteryMarket": {"bid_levels": ("actions", "bids")},
}
ORIGINAL_MODULES = {new: old for old, new in MODULES.items()}
# Modules that were renamed a second time, under their name in between.
MODULES |= {
    "common.duration": "common.duration_text",
    "common.options": "common.validated_options",
    "common.signals": "common.stop_signals",
    "envs.battery.actions": "envs.battery.action_set",
    "envs.battery.dispatch": "envs.battery.dispatch_result",
    "envs.battery.dispatch_metrics": "envs.battery.dispatch_result",
    "envs.battery.evaluate_policy": "envs.battery.parallel_stretches",
    "envs.battery.plots": "envs.battery.dispatch_plots",
    "envs.battery.problem": "envs.battery.dispatch_problem",
    "envs.battery.transition": "envs.battery.transition_accounts",
    "envs.loader": "envs.world_cache",
    "envs.world_loader": "envs.world_cache",
    "market.row_checks": "market.row_order",
    "market.synthetic_supply": "market.synthetic_supply_curve",
    "experiment.finished_run": "experiment.refuse_finished_run",
    "experiment.unfinished_run_check": "experiment.refuse_finished_run",
    "experiment.metrics": "experiment.policy_metrics",
    "experiment.progress": "experiment.console_progress",
    "experiment.results": "experiment.final_evaluation",
    "market.file_market": "market.file_market_base",
    "market.file_rows": "market.rows_with_source",
    "rllib.backends": "rllib.rollout_backends",
    "rllib.gradient_step.traced_program": "rllib.gradient_step.gradient_program",
    "rllib.learners.distributions": "rllib.learners.fast_categorical",
    "rllib.log_capture": "rllib.remote_learner_warnings",
    "rllib.process_resources": "rllib.threads_and_malloc",
    "rllib.stock_backend": "rllib.stock_replay_algorithms",
    "rllib.stock_replay": "rllib.stock_replay_algorithms",
    "rllib.stock_replay_and_learners": "rllib.stock_replay_algorithms",
    "rllib.threads_and_memory": "rllib.threads_and_malloc",
    "rllib.warning_capture": "rllib.remote_learner_warnings",
}
ORIGINAL_CLASSES = {new: old for old, new in RENAMED.items()}


def current_name(name: str) -> str:
    """Return the full name that a class has now.

    Args:
        name: its full name when a run was stored, such as ``battery_lab.battery.Battery``.
    """
    package, _, rest = name.partition(".")
    module, _, attribute = rest.rpartition(".")
    if package != PACKAGE:
        return name
    return ".".join((PACKAGE, *_current(module, attribute)))


def original_name(name: str) -> str:
    """Return the full name that a class had first: it identifies the class in sweeps of every version."""
    package, _, rest = name.partition(".")
    module, _, attribute = rest.rpartition(".")
    if package != PACKAGE:
        return name
    module, attribute = ORIGINAL_CLASSES.get((module, attribute), (module, attribute))
    return ".".join((PACKAGE, ORIGINAL_MODULES.get(module, module), attribute))


def _current(module: str, attribute: str) -> tuple[str, str]:
    module = MODULES.get(module, module)
    return RENAMED.get((module, attribute), (module, attribute))


class _Finder(MetaPathFinder, Loader):
    """Finds old modules: each is an alias whose attributes come from the new module."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        package, _, module = fullname.partition(".")
        old = module in MODULES or any(name.startswith(f"{module}.") for name in MODULES)
        return ModuleSpec(fullname, self, is_package=True) if package == PACKAGE and old else None

    def exec_module(self, module: ModuleType) -> None:
        old = module.__name__.partition(".")[2]

        def look_up(name: str) -> object:
            if name.startswith("__"):
                raise AttributeError(name)
            new, attribute = _current(old, name)
            return getattr(import_module(f"{PACKAGE}.{new}"), attribute)

        module.__dict__["__getattr__"] = look_up


def install() -> None:
    """Redirect imports of old modules, which pickles contain, to the new ones. Existing modules take precedence."""
    if not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.append(_Finder())
