"""Old names: what modules and classes of earlier versions are called now, for the runs that refer to them.

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
    "market.aemo": "market.readers.aemo",
    "market.archives": "market.file_formats.archives",
    "market.cache": "market.series_cache",
    "market.caiso": "market.readers.caiso",
    "market.cell_numbers": "market.cells.cell_numbers",
    "market.checks": "market.intervals.row_order",
    "market.clock_changes": "market.cells.clock_changes",
    "market.clock_guess": "market.data_check.clock_guess",
    "market.csv_dialect": "market.file_formats.csv_dialect",
    "market.csv_files": "market.file_formats.csv_files",
    "market.daily_publication": "market.forecasts.daily_publication",
    "market.data_rows": "market.file_formats.data_rows",
    "market.data_source": "market.data_check.data_source",
    "market.elexon": "market.readers.elexon",
    "market.entsoe": "market.readers.entsoe",
    "market.ercot": "market.readers.ercot",
    "market.european_areas": "market.readers.european_market",
    "market.file_sample": "market.data_check.file_sample",
    "market.file_search": "market.file_formats.file_search",
    "market.files": "market.file_formats.price_files",
    "market.forecast_vintages": "market.forecasts.forecast_vintages",
    "market.grid": "market.intervals.interval_grid",
    "market.hour_numbers": "market.cells.hour_numbers",
    "market.ieso": "market.readers.ieso",
    "market.isone": "market.readers.isone",
    "market.joined_files": "market.readers.joined_files",
    "market.market_option_types": "market.readers.market_option_types",
    "market.miso": "market.readers.miso",
    "market.nemweb": "market.readers.nemweb",
    "market.newest_vintages": "market.forecasts.newest_vintages",
    "market.node_choice": "market.readers.nodal_market",
    "market.nordpool": "market.readers.nordpool",
    "market.number_style": "market.cells.number_style",
    "market.nyiso": "market.readers.nyiso",
    "market.nyiso_zones": "market.readers.nyiso_zones",
    "market.one_row_per_interval": "market.intervals.one_row_per_interval",
    "market.pjm": "market.readers.pjm",
    "market.price_plausibility": "market.intervals.price_plausibility",
    "market.price_quality": "market.data_check.price_quality",
    "market.reader": "market.readers.file_market_base",
    "market.reading_context": "market.file_formats.reading_context",
    "market.recognition": "market.data_check.recognition",
    "market.record_rows": "market.file_formats.record_rows",
    "market.report_text": "market.file_formats.report_text",
    "market.resample": "market.intervals.resample",
    "market.row_selection": "market.file_formats.row_selection",
    "market.row_versions": "market.intervals.row_versions",
    "market.rows": "market.file_formats.rows_with_source",
    "market.selector_names": "market.data_check.selector_names",
    "market.series": "market.market_series",
    "market.spp": "market.readers.spp",
    "market.spreadsheets": "market.file_formats.spreadsheets",
    "market.stamp_forms": "market.cells.stamp_forms",
    "market.stamps": "market.cells.timestamps",
    "market.synthetic": "market.synthetic_prices.synthetic_market",
    "market.synthetic_bursts": "market.synthetic_prices.bursts",
    "market.synthetic_drivers": "market.synthetic_prices.drivers",
    "market.synthetic_forecaster": "market.synthetic_prices.forecaster",
    "market.synthetic_noise": "market.synthetic_prices.noise",
    "market.synthetic_offers": "market.synthetic_prices.supply_curve",
    "market.synthetic_regimes": "market.synthetic_prices.year_factors",
    "market.synthetic_vintages": "market.synthetic_prices.vintages",
    "market.table": "market.readers.table",
    "market.table_columns": "market.file_formats.table_columns",
    "market.table_columns_guess": "market.data_check.table_columns_guess",
    "market.table_guess": "market.data_check.table_guess",
    "market.table_rows_guess": "market.data_check.table_rows_guess",
    "market.unknown_values": "market.forecasts.future_values",
    "market.vintage_files": "market.readers.vintage_files",
    "market.vintage_runs": "market.forecasts.vintage_runs",
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
    ("market.synthetic_prices.supply_curve", "Plunges"): ("market.synthetic_prices.bursts", "Plunges"),
    ("market.synthetic_prices.supply_curve", "Regime"): ("market.synthetic_prices.year_factors", "Regime"),
    ("market.synthetic_prices.supply_curve", "Spikes"): ("market.synthetic_prices.bursts", "Spikes"),
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
    "experiment.finished_run": "experiment.refuse_finished_run",
    "experiment.metrics": "experiment.policy_metrics",
    "experiment.progress": "experiment.console_progress",
    "experiment.results": "experiment.final_evaluation",
    "experiment.unfinished_run_check": "experiment.refuse_finished_run",
    "market.file_market": "market.readers.file_market_base",
    "market.file_market_base": "market.readers.file_market_base",
    "market.file_rows": "market.file_formats.rows_with_source",
    "market.future_values": "market.forecasts.future_values",
    "market.interval_grid": "market.intervals.interval_grid",
    "market.price_files": "market.file_formats.price_files",
    "market.row_checks": "market.intervals.row_order",
    "market.row_order": "market.intervals.row_order",
    "market.rows_with_source": "market.file_formats.rows_with_source",
    "market.synthetic_supply": "market.synthetic_prices.supply_curve",
    "market.synthetic_supply_curve": "market.synthetic_prices.supply_curve",
    "market.synthetic_year_factors": "market.synthetic_prices.year_factors",
    "market.timestamps": "market.cells.timestamps",
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
