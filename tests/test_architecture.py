"""Imports point one way only: what each room may know of the others and of heavy libraries."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest

import battery_lab

PACKAGE = Path(battery_lab.__file__).parent
LAUNCHERS = PACKAGE.parent / "launchers"
PLUGINS = LAUNCHERS / "hydra_plugins" / "battery_lab_launchers"
COMMANDS = {
    *("__main__", "command", "compose", "evaluate", "export", "mistakes", "overrides", "registration", "send"),
    *("serve", "stored", "task"),
}
# Room -> what it may import of the lab, besides errors and itself.
MAY = {
    "battery": set(),
    "market": set(),
    "transition": {"battery", "market"},
    "problem": {"battery", "market"},
    "rewards": {"transition", "battery", "market"},
    "levels": {"battery"},
    "optimum": {"battery", "levels", "market", "transition"},
    "baselines": {"battery", "levels", "market", "optimum", "problem", "transition"},
    "observations": {"battery", "market"},
    "networks": {"observations"},
    "dispatch": {"battery", "problem", "transition"},
    "report": set(),
    "tracking": set(),
    "sweep": {"checkpoint", "command", "stopping", "tracking"},
    "compiled": set(),
    "locate": set(),
    "errors": set(),
    "envs": {
        *("baselines", "battery", "dispatch", "market", "observations", "optimum"),
        *("problem", "report", "rewards", "transition"),
    },
    "policy": {"envs", "observations"},
    "serving": set(),
    "exporting": {"envs", "networks", "observations", "policy", "serving"},
    "worlds": {"envs"},
    "rollout": set(),
    "algos": {"networks", "observations", "rollout"},
    "checkpoint": set(),
    "display": {"checkpoint"},
    "stopping": set(),
    "targets": set(),
    "training": {"checkpoint", "stopping"},
    "evaluation": {"envs"},
    "results": {"envs", "evaluation", "policy", "report", "tracking"},
    "experiment": {
        *("algos", "checkpoint", "display", "envs", "evaluation", "networks", "policy"),
        *("report", "results", "rollout", "tracking", "training", "worlds"),
    },
    "judging": {"envs", "experiment", "policy", "report", "results", "worlds"},
}


def imported(path: Path) -> set[str]:
    """The full names of all modules that a file imports, inside functions too, not for types alone."""
    names: set[str] = set()
    tree = ast.parse(path.read_text())
    for_types = {
        inner
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        for inner in ast.walk(node)
    }
    for node in ast.walk(tree):
        if node in for_types:
            continue
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def files(room: str) -> list[Path]:
    folder = PACKAGE / room
    return sorted(folder.rglob("*.py")) if folder.is_dir() else [PACKAGE / f"{room}.py"]


def rooms_of(names: set[str]) -> set[str]:
    return {name.split(".")[1] for name in names if name.startswith("battery_lab.") and name.count(".") >= 1}


@pytest.mark.parametrize("room", MAY)
def test_a_room_knows_only_the_rooms_below_it(room):
    for path in files(room):
        assert rooms_of(imported(path)) <= MAY[room] | {room, "errors", "__version__"}, path


def test_every_room_has_its_rule():
    rooms = {path.relative_to(PACKAGE).parts[0].removesuffix(".py") for path in everything()}
    assert rooms - {"__init__"} == set(MAY) | COMMANDS


def everything() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def test_only_commands_know_of_hydra():
    for path in everything():
        if path.relative_to(PACKAGE).parts[0].removesuffix(".py") not in COMMANDS:
            tops = {name.split(".")[0] for name in imported(path)}
            assert not tops & {"hydra", "omegaconf"}, path


def test_launchers_stand_above_sweeps_and_know_no_trial_from_within():
    commands = {"command", "compose", "mistakes", "stored", "targets"}
    below = commands | {"errors", "rollout", "stopping", "sweep", "tracking"}
    for path in PLUGINS.glob("*.py"):
        assert rooms_of(imported(path)) <= below, path
    for path in everything():
        assert not {name for name in imported(path) if name.startswith("hydra_plugins")}, path


def test_jobs_know_their_sweep_and_inside_of_one_the_trial():
    outside = {"compose", "errors", "stored", "sweep", "tracking"}
    for path in (LAUNCHERS / "sagemaker_jobs").glob("*.py"):
        inside = path.stem in ("inside", "hosts")
        more = {"judging", "mistakes", "exporting", "rollout", "stopping", "targets", "training"} if inside else set()
        assert rooms_of(imported(path)) <= outside | more, path
        assert not {name for name in imported(path) if name.startswith(("hydra", "sagemaker_emulator"))}, path


def test_the_emulator_knows_nothing_of_the_lab_and_the_lab_nothing_of_jobs():
    for path in (LAUNCHERS / "sagemaker_emulator").glob("*.py"):
        tops = {name.split(".")[0] for name in imported(path)}
        assert not tops & {"battery_lab", "sagemaker_jobs", "hydra_plugins"}, path
    for path in everything():
        assert not {name for name in imported(path) if name.startswith("sagemaker")}, path


def test_what_hydra_finds_of_the_launchers_is_light():
    # Each command runs these files, whatever it is to do.
    light = {"hydra", "omegaconf", *sys.stdlib_module_names}
    found = [path for path in PLUGINS.glob("*.py") if not path.name.startswith("_")]
    assert len(found) == 5
    for path in found:
        tree = ast.parse(path.read_text())
        names = [ast.unparse(node) for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)]
        assert {name.split()[1].split(".")[0] for name in names} <= light, path


def test_what_serves_needs_nothing_of_what_trains():
    # The image holds this room, the two files that each import of the lab runs, and nothing else of it.
    for path in [*files("serving"), PACKAGE / "__init__.py", PACKAGE / "compiled.py", PACKAGE / "errors.py"]:
        assert rooms_of(imported(path)) <= {"compiled", "errors", "serving"}, path
        tops = {name.split(".")[0] for name in imported(path)} - set(sys.stdlib_module_names)
        assert tops <= {"battery_lab", "numpy", "onnxruntime", "starlette", "uvicorn"}, path


def test_only_algorithms_and_rollout_know_of_rllib():
    for path in everything():
        if path.relative_to(PACKAGE).parts[0] not in {"algos", "rollout"}:
            assert not {name for name in imported(path) if name.split(".")[0] == "ray"}, path


@pytest.mark.parametrize("room", ["rewards", "observations", "battery", "levels", "optimum"])
def test_physics_rewards_and_observations_need_numpy_and_numba_alone(room):
    allowed = {"numpy", "numba", "battery_lab", *sys.stdlib_module_names}
    for path in files(room):
        assert {name.split(".")[0] for name in imported(path)} <= allowed, path


def test_nothing_above_the_environments_assumes_a_battery():
    rooms = ("experiment", "judging", "training", "checkpoint", "evaluation", "results", "worlds", "display", "policy")
    for room in rooms:
        names = imported(PACKAGE / f"{room}.py")
        assert not rooms_of(names) & {"battery", "market", "rewards", "transition", "optimum", "baselines"}, room
        assert not {name for name in names if "battery_market" in name or "battery_vector" in name}, room
