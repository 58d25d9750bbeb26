"""battery-lab sync: send finished or interrupted runs to MLflow.

    battery-lab sync run=outputs/runs/<run>
    battery-lab sync run=outputs/runs/<run> run=outputs/runs/<other> tracking.uri=http://127.0.0.1:5000

Sends configuration, curves, metrics, report and policy of each run to the MLflow store of its trial, or to the one that
tracking.uri= and tracking.experiment= name. Runs that were not tracked go to the lab's own store. The command can be
repeated: nothing is sent twice. It reads credentials from MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD.
"""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path

from omegaconf import DictConfig

from battery_lab.cli.error_messages import exit_message, shows_traceback
from battery_lab.cli.subcommand_arguments import folder
from battery_lab.common.errors import ConfigError, LabError, damaged
from battery_lab.common.run_folder import RunFolder
from battery_lab.config.build import build_part, resolve
from battery_lab.config.stored_trial import trial
from battery_lab.tracking.mlflow_connection import Address
from battery_lab.tracking.mlflow_option import MlflowTracking
from battery_lab.tracking.mlflow_run_sync import RunSync
from battery_lab.tracking.mlflow_sender_thread import reason
from battery_lab.tracking.mlflow_sync_state import read_sync_state
from battery_lab.tracking.public_address import public

REMEDY = "remove it to send the run as a new one"
ALLOWED = ("run", "tracking.uri", "tracking.experiment", "tracking.artifacts")


def main(arguments: list[str]) -> None:
    """Send all run folders that are named. An error of one is printed, and the others are still sent.

    Raises:
        ConfigError: an argument cannot be read.
        SystemExit: a folder could not be sent.
    """
    runs, overrides = _split(arguments)
    failed = False
    for run in runs:
        try:
            print(send(run, overrides), flush=True)
        except Exception as error:
            message = exit_message(error)
            if message is None or shows_traceback():
                raise
            print(message.text, file=sys.stderr)
            failed = True
    if failed:
        sys.exit(1)


def send(run: Path, overrides: list[str]) -> str:
    """Send one run folder and return one line on what was sent.

    Raises:
        LabError: there is no such run, one of its files is damaged, an override is wrong, or the store cannot be
            reached.
    """
    if not run.is_dir():
        raise ConfigError(f"run={run} must name a run folder, and there is none")
    _check_sync_state(run)
    config = _tracked_by_mlflow(run, overrides)
    address = _address(run, build_part(config, "tracking"), overrides)
    delivery = RunSync(run, run.resolve().name, resolve(config), address)
    where = f"{public(address.uri)}, experiment {address.experiment}"
    try:
        points = delivery.send(_status(run))
    except Exception as error:
        raise LabError(
            f"{run} could not be sent to MLflow at {where}: {reason(error, address.uri)}; "
            "start the store or name another with tracking.uri=..., and send again"
        ) from None
    return f"{run}: {points} new points sent to MLflow at {where}"


def _check_sync_state(run: Path) -> None:
    """Raise DataError where the sync state is damaged; without it the run would be sent a second time."""
    path = RunFolder(run).sync_state
    try:
        state = json.loads(path.read_text())
        good = "key" in state and all(isinstance(store["artifacts"], str | None) for store in state["stores"].values())
    except FileNotFoundError:
        return
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise damaged(path, error, REMEDY) from None
    if not good:
        raise damaged(path, "it does not say what was sent", REMEDY)


def _tracked_by_mlflow(run: Path, overrides: list[str]) -> DictConfig:
    """Return a run's trial, with MLflow put in if it was tracked by nothing, or by something else."""
    target = f"{MlflowTracking.__module__}.{MlflowTracking.__name__}"
    stored = trial(run, [])
    if "tracking" in stored and stored.tracking.get("_target_") == target:
        return trial(run, overrides)
    return trial(run, ["tracking=mlflow", *overrides])


def _address(run: Path, tracking: MlflowTracking, overrides: list[str]) -> Address:
    """Return where a run goes; relative paths in its trial count from where it ran, which its sync state holds."""
    address = tracking.address()
    known = read_sync_state(run)["stores"]
    if any(override.startswith("tracking.uri=") for override in overrides):
        return address
    for uri, store in known.items():
        if uri.startswith("sqlite:///") and address.uri.startswith("sqlite:///"):
            address = replace(address, uri=uri, artifacts=store["artifacts"])
    return address


def _status(run: Path) -> str:
    """Return how a run ended: the status in its sync state, or the one that its files imply."""
    noted = read_sync_state(run).get("status")
    return str(noted or ("FINISHED" if RunFolder(run).metrics.is_file() else "KILLED"))


def _split(arguments: list[str]) -> tuple[list[Path], list[str]]:
    """Return the run folders and the overrides."""
    runs, overrides = [], []
    for argument in arguments:
        key, sign, value = argument.partition("=")
        if not sign or key not in ALLOWED:
            raise ConfigError(f"{argument!r} must be one of {', '.join(f'{name}=...' for name in ALLOWED)}")
        if key == "run":
            runs.append(folder(value))
        else:
            overrides.append(argument)
    if not runs:
        raise ConfigError("run=<folder> must name the folder of a run")
    return runs, overrides
