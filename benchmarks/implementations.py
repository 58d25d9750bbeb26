"""Implementations that the benchmark compares, and their workloads."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from typing import Any

# By algorithm, in the order in which they run and are shown.
IMPLEMENTATIONS = {
    "ppo": ("lab", "rllib_vector", "rllib_single", "sb3", "torch_loop", "torch_compiled"),
    "dqn": ("lab", "lab_compiled", "rllib_vector", "sb3", "torch_loop", "torch_compiled"),
    "sac": ("lab", "lab_compiled", "rllib_vector", "sb3", "torch_loop", "torch_compiled"),
}
SAMPLING = ("lab_sampling", "rllib_sampling")
# Not an implementation but an upper bound: the matrix products of the workload alone.
MATMUL = "matmul"
# Off-policy runs take their compiled program over after minutes. lab_compiled takes it over early, to measure the speed
# from then on.
LAB_COMPILED = "lab_compiled"
LAB = ("lab", "lab_sampling", LAB_COMPILED)
OVERRIDES = {
    **dict.fromkeys(("lab", "lab_sampling"), ("rollout=array",)),
    LAB_COMPILED: ("rollout=array", "rollout.compile_after_off_policy=300"),
    **dict.fromkeys(("rllib_vector", "rllib_sampling"), ("rollout=stock",)),
}
# Fraction of the measuring time for what neither learns nor compiles.
TIME_FRACTION = {MATMUL: 0.2, **dict.fromkeys(SAMPLING, 0.2)}

ALL_IMPLEMENTATIONS = tuple(
    dict.fromkeys([*(name for names in IMPLEMENTATIONS.values() for name in names), *SAMPLING, MATMUL])
)

# By name: the arguments of benchmarks.workload.Workload, and the implementations that run it.
Groups = Mapping[str, tuple[dict[str, Any], tuple[str, ...]]]


def reason_missing(name: str) -> str:
    """Return why an implementation cannot run on this machine; empty if it can."""
    if name == "sb3" and importlib.util.find_spec("stable_baselines3") is None:
        return "stable-baselines3 is not installed; `make bench` installs it"
    return ""


def main_groups(algos: list[str]) -> Groups:
    """Return the comparison at one size."""
    groups = {
        algo: ({"algo": algo, "fragment": 64 if algo == "ppo" else 4}, (*IMPLEMENTATIONS[algo], MATMUL))
        for algo in algos
    }
    return groups | ({"sampling": ({"algo": "ppo"}, SAMPLING)} if "ppo" in algos else {})


def scaling_groups() -> Groups:
    """Return PPO workloads with increasing numbers of environments, observations and runners.

    With 0 runners, the process that learns also samples.
    """
    counts = (16, 64, 256, 1024, 4096)
    sizes = [(num_envs, 0, observation) for observation in ("compact", "window") for num_envs in counts]
    sizes += [(num_envs, runners, "window") for runners in (1, 2) for num_envs in counts]
    groups = {}
    for num_envs, runners, observation in sizes:
        # A batch of 4,096 per env runner, or more where fragments would become too short.
        fragment = max(16, 4096 // num_envs)
        workload = {
            "algo": "ppo",
            "num_envs": num_envs,
            "fragment": fragment,
            "runners": runners,
            "observation": observation,
        }
        groups[f"{num_envs} envs, {runners} runners, {observation}"] = (workload, ("lab", "rllib_vector"))
    return groups


def available(groups: Groups, only: list[str] | None) -> Groups:
    """Return the groups without implementations that cannot run or were not requested, and print the former."""
    requested = {name for _, names in groups.values() for name in names if only is None or name in only}
    reasons = {name: reason for name in sorted(requested) if (reason := reason_missing(name))}
    for name, reason in reasons.items():
        print(f"skipped: {name}, because {reason}", flush=True)
    usable = requested - reasons.keys()
    return {
        group: (workload, tuple(name for name in names if name in usable))
        for group, (workload, names) in groups.items()
    }
