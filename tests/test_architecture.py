"""Imports point one way only, directly and transitively: what each room may know of the others and of libraries."""

from __future__ import annotations

import ast
import re
import sys
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import pytest
from hydra.utils import get_object

import battery_lab
from battery_lab.config.conf_folder import conf_dir

PACKAGE = Path(battery_lab.__file__).parent
LAUNCHERS = PACKAGE.parent / "launchers"
PACKAGES = {folder.name: folder for folder in LAUNCHERS.iterdir() if any(folder.rglob("*.py"))}
ROOTS = {"battery_lab": PACKAGE, **PACKAGES}
# The packages of jobs: all packages of the launchers except Hydra's plugins and the emulator.
JOBS = sorted(set(PACKAGES) - {"hydra_plugins", "sagemaker_emulator"})
# The modules of envs/battery that rewards, baselines and planning build on; the rest of that room builds on those.
CORE = {
    *("cycle_caps", "delivery", "physics", "transition_accounts"),
    *("reward_context", "dispatch_arrays", "dispatch_invariants", "dispatch_problem", "dispatch_result"),
}
# Room -> the rooms that it may import, besides itself and common.
MAY_IMPORT = {
    "common": set(),
    "envs": set(),
    "market": set(),
    "envs.battery.core": {"market"},
    "planning": {"envs", "envs.battery.core", "market"},
    "rewards": {"envs.battery.core", "market"},
    "observations": {"envs", "envs.battery.core", "market", "planning"},
    "baselines": {"envs.battery.core", "market", "planning"},
    "report": {"envs"},
    "envs.battery": {
        *("baselines", "envs", "envs.battery.core", "market"),
        *("observations", "planning", "report", "rewards"),
    },
    "networks": {"envs"},
    "rllib": set(),
    "algos": {"envs", "networks", "policies", "rllib"},
    "serving": set(),
    "policies": {"envs", "networks", "serving"},
    "tracking": set(),
    "experiment": {"algos", "envs", "networks", "policies", "report", "rllib", "tracking"},
    "config": set(),
    "sweep": {"config", "experiment", "tracking"},
    "gym_registration": {"config", "envs.battery"},
    "cli": {"config", "envs", "experiment", "policies", "serving", "sweep", "tracking"},
}
# Each environment is a room. One without a rule of its own may import the interfaces and the parts of reports.
ENVIRONMENTS = {f"envs.{folder.parent.name}" for folder in (PACKAGE / "envs").glob("*/__init__.py")}
MAY_IMPORT |= {room: {"envs", "report"} for room in ENVIRONMENTS - set(MAY_IMPORT)}
# Folder of the market -> the other folders of it that it may import; "" is the market itself and its forecasts.
MARKET_FOLDERS = {
    "": set(),
    "file_formats": set(),
    "cells": {"file_formats"},
    "intervals": {"file_formats", "cells"},
    "synthetic_prices": {""},
    "readers": {"", "file_formats", "cells", "intervals"},
    "data_check": {"", "file_formats", "cells", "intervals", "readers"},
    "download": {"file_formats", "readers"},
}
# Library -> the rooms that may import it.
ONLY = {
    "hydra": {"cli", "config"},
    "omegaconf": {"cli", "config"},
    "ray": {"algos", "rllib"},
}
BATTERY = {"envs.battery", "envs.battery.core", "market", "observations", "planning", "rewards", "baselines"}
# Rooms of numbers, and what they may import besides the standard library and the lab.
NUMBERS = {
    room: {"numpy", "numba", "pydantic"} for room in ("envs.battery.core", "observations", "planning", "rewards")
}
NUMBERS["envs.battery.core"] |= {"pandas"}


@cache
def modules() -> dict[str, Path]:
    """Return every module of the lab and its launchers by its full name."""
    found = {}
    for root, folder in ROOTS.items():
        for path in folder.rglob("*.py"):
            parts = path.relative_to(folder).with_suffix("").parts
            found[".".join((root, *(part for part in parts if part != "__init__")))] = path
    return found


@cache
def nodes(module: str) -> list[ast.AST]:
    """Return all nodes of a module's syntax tree; to parse it takes most of the time of these tests."""
    return list(ast.walk(ast.parse(modules()[module].read_text())))


@cache
def imports(module: str, types: bool = False) -> frozenset[str]:
    """Return the full names that a module imports, inside functions too, not for types alone."""
    blocks = [] if types else [node for node in nodes(module) if isinstance(node, ast.If)]
    for_types = {inner for node in blocks if ast.unparse(node.test) == "TYPE_CHECKING" for inner in ast.walk(node)}
    names: set[str] = set()
    for node in nodes(module):
        if node in for_types:
            continue
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            full = {f"{node.module}.{alias.name}" for alias in node.names}
            names |= {name if name in modules() else node.module for name in full}
    return frozenset(names)


def room_of(module: str) -> str | None:
    """Return the room of a module of the lab; None for its root and for what is no part of it."""
    package, *parts = module.split(".")
    if package != "battery_lab" or not parts or parts[0] in ("__main__", "__version__"):
        return None
    environment = ".".join(parts[:2])
    if environment not in ENVIRONMENTS:
        return parts[0]
    is_core = environment == "envs.battery" and parts[2:] and parts[2] in CORE
    return "envs.battery.core" if is_core else environment


def lab_modules(room: str | None = None) -> list[str]:
    names = [name for name in modules() if name.startswith("battery_lab")]
    return [name for name in names if room is None or room_of(name) == room]


def tops(names: frozenset[str] | set[str]) -> set[str]:
    return {name.split(".")[0] for name in names}


@cache
def reachable(module: str) -> frozenset[str]:
    """Return what a module imports, directly or through others of the lab and its launchers."""
    seen: set[str] = set()
    waiting = [module]
    while waiting:
        for name in imports(waiting.pop()) - seen:
            seen.add(name)
            if name in modules():
                waiting.append(name)
    return frozenset(seen)


def test_every_room_has_its_rule():
    assert {room_of(name) for name in lab_modules()} - {None} == set(MAY_IMPORT)


def test_the_rules_themselves_have_no_circle():
    TopologicalSorter(MAY_IMPORT).prepare()


@pytest.mark.parametrize("room", MAY_IMPORT)
def test_a_room_imports_only_the_rooms_below_it(room):
    for module in lab_modules(room):
        rooms = {room_of(name) for name in imports(module, types=True)} - {None}
        assert rooms <= MAY_IMPORT[room] | {room, "common"}, module


def market_folder(module: str) -> str:
    parts = module.split(".")[2:]
    return parts[0] if parts and parts[0] in MARKET_FOLDERS else ""


def test_a_folder_of_the_market_imports_only_those_below_it():
    for module in lab_modules("market"):
        inside = {name for name in imports(module, types=True) if room_of(name) == "market"}
        folder = market_folder(module)
        assert {market_folder(name) for name in inside} <= MARKET_FOLDERS[folder] | {folder}, module


def test_no_module_imports_itself_through_others():
    for module in modules():
        assert module not in reachable(module)


@pytest.mark.parametrize("library", ONLY)
def test_a_library_is_imported_only_where_it_belongs(library):
    for module in lab_modules():
        if room_of(module) not in ONLY[library]:
            assert library not in tops(imports(module)), module


@pytest.mark.parametrize("room", NUMBERS)
def test_physics_planning_rewards_and_observations_need_numbers_alone(room):
    allowed = NUMBERS[room] | {"battery_lab", *sys.stdlib_module_names}
    for module in lab_modules(room):
        assert tops(imports(module)) <= allowed, module


def test_runs_of_forecasts_that_are_published_later_are_open_to_the_market_alone():
    for module in lab_modules():
        if room_of(module) != "market":
            text = modules()[module].read_text()
            assert "stored_runs" not in text and "._runs" not in text, module
            assert "compiled_runs" not in text or module == "battery_lab.planning.vintage_plan", module


def test_only_the_battery_knows_of_a_battery():
    for module in lab_modules():
        if room_of(module) not in BATTERY | {"gym_registration", None}:
            assert not {room_of(name) for name in reachable(module)} & BATTERY, module


def environment_classes():
    """Return the classes of the environments in conf/env that are part of the lab."""
    files = (conf_dir() / "env").glob("*.yaml")
    targets = {target for file in files for target in re.findall(r"_target_: (battery_lab\S+)", file.read_text())}
    return [get_object(target) for target in sorted(targets)]


def names_of(environment):
    """Return the pattern of an environment's metrics and of the options that an evaluation may change."""
    options = (*environment.evaluation_overrides, *environment.data_paths)
    metrics, keys = ("|".join(map(re.escape, names)) or "(?!)" for names in (environment.metric_names, options))
    return re.compile(rf"(\w+/)?({metrics})|({keys})(\.\w+)*")


def strings(module):
    """Yield the lines and values of the strings of a module."""
    for node in nodes(module):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.lineno, node.value


def home_of(environment):
    """Return the rooms of an environment."""
    room = room_of(environment.__module__)
    return BATTERY if room in BATTERY else {room}


@pytest.mark.parametrize("environment", environment_classes())
def test_only_an_environment_names_its_metrics_and_options(environment):
    # Others read them from the environment's class or from the world. Two environments may share a name.
    names, home = names_of(environment), home_of(environment)
    others = [(home_of(other), names_of(other)) for other in environment_classes() if other is not environment]
    for module in modules():
        room = room_of(module)
        if module.startswith("sagemaker_emulator") or (module.startswith("battery_lab") and room in home | {"common"}):
            continue
        shared = [pattern for rooms, pattern in others if room in rooms]
        for line, text in strings(module):
            own = any(pattern.fullmatch(text) for pattern in shared)
            assert own or not names.fullmatch(text), (module, line, text)


def test_the_lab_knows_nothing_of_launchers():
    for module in lab_modules():
        assert tops(imports(module)).isdisjoint(PACKAGES), module


def test_the_emulator_knows_nothing_of_the_lab():
    for module in modules():
        if module.startswith("sagemaker_emulator"):
            assert tops(imports(module)).isdisjoint(set(ROOTS) - {"sagemaker_emulator"}), module


@pytest.mark.parametrize("package", JOBS)
def test_jobs_know_neither_hydra_nor_the_emulator(package):
    for module in modules():
        if module.split(".")[0] == package:
            assert tops(imports(module)).isdisjoint({"hydra", "hydra_plugins", "sagemaker_emulator"}), module


def test_what_hydra_finds_of_the_launchers_is_light():
    # Hydra imports these files in every command.
    light = {"hydra", "omegaconf", *sys.stdlib_module_names}
    for path in (LAUNCHERS / "hydra_plugins").glob("*/[!_]*.py"):
        tree = ast.parse(path.read_text())
        names = [ast.unparse(node) for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)]
        assert {name.split()[1].split(".")[0] for name in names} <= light, path


def test_sweeps_and_their_bookkeeping_need_no_hydra():
    for module in lab_modules("sweep"):
        assert not tops(reachable(module)) & {"hydra", "omegaconf"}, module


def test_what_serves_needs_nothing_of_what_trains():
    # The image of jobs holds serving, common and the package's own __init__, and nothing else of the lab.
    allowed = {
        "battery_lab",
        "numpy",
        "onnxruntime",
        "pydantic",
        "pydantic_core",
        "starlette",
        "uvicorn",
        *sys.stdlib_module_names,
    }
    for module in [*lab_modules("serving"), *lab_modules("common"), "battery_lab"]:
        assert {room_of(name) for name in reachable(module)} <= {"common", "serving", None}, module
        assert tops(reachable(module)) <= allowed, module
