"""battery-lab train: train a policy, evaluate it and write a report.

    battery-lab train reward=degradation algo=ppo
    battery-lab train resume=outputs/runs/<run>
    battery-lab train rerun=outputs/runs/<run> seed=1
    battery-lab train --multirun algo=ppo,dqn 'seed=range(0,5)' hydra.launcher.parallel=2
    battery-lab train sweep.resume=outputs/sweeps/<sweep>

The help of this command is in conf/config.yaml. battery_lab/cli/train_help.py prints it; with overrides, Hydra does.
"""

from __future__ import annotations

import sys

import hydra

from battery_lab.cli.hydra_error_handling import hydra_errors_explained, hydra_raises, missing_package_named
from battery_lab.cli.hydra_startup_shortcut import flags_decide_the_run_mode
from battery_lab.cli.resume_and_rerun_arguments import hydra_arguments
from battery_lab.cli.run_trial import run_trial
from battery_lab.common.hide_optional_imports import import_lean
from battery_lab.config.compose import register_resolvers
from battery_lab.config.conf_folder import conf_dir


def main(arguments: list[str]) -> None:
    """Compose a trial from the arguments and run it; with --multirun, a sweep of trials."""
    import_lean()
    register_resolvers()
    arguments = hydra_arguments(arguments)
    sys.argv[1:] = arguments
    explained = hydra_errors_explained(arguments), missing_package_named(arguments)
    with explained[0], explained[1], hydra_raises(), flags_decide_the_run_mode(arguments):
        hydra.main(version_base="1.3", config_path=str(conf_dir()), config_name="config")(run_trial)()
