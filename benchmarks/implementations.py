"""Who is compared, and what each needs."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from typing import Any

# By algorithm, in the order in which they are run and shown.
SIDES = {
    "ppo": ("lab", "rllib_vector", "rllib_single", "sb3", "torch_loop", "torch_compiled"),
    "dqn": ("lab", "lab_compiled", "rllib_vector", "sb3", "torch_loop", "torch_compiled"),
    "sac": ("lab", "lab_compiled", "rllib_vector", "sb3", "torch_loop", "torch_compiled"),
}
SAMPLING = ("lab_sampling", "rllib_sampling")
# No side, but the limit of all: the matrix products of the work.
MATMUL = "matmul"
# What the lab composes a side with that it builds. Off-policy runs take their program over late, after a minute or
# minutes; lab_compiled is what they have from then on.
LAB_COMPILED = "lab_compiled"
OURS = ("lab", "lab_sampling", LAB_COMPILED)
CHOICES = {
    **dict.fromkeys(("lab", "lab_sampling"), ("rollout=array",)),
    LAB_COMPILED: ("rollout=array", "rollout.compile_after_off_policy=300"),
    **dict.fromkeys(("rllib_vector", "rllib_sampling"), ("rollout=stock",)),
}
# What neither learns nor compiles is measured in a part of the time.
SHORT = {MATMUL: 0.2, **dict.fromkeys(SAMPLING, 0.2)}

ALL_SIDES = tuple(dict.fromkeys([*(side for sides in SIDES.values() for side in sides), *SAMPLING, MATMUL]))

# By name, the work (arguments of benchmarks.workload.Workload) and who does it.
Groups = Mapping[str, tuple[dict[str, Any], tuple[str, ...]]]


def missing(side: str) -> str:
    """Return why a side cannot be run here; empty if it can."""
    if side == "sb3" and importlib.util.find_spec("stable_baselines3") is None:
        return "stable-baselines3 is not installed; make bench does so"
    return ""


def main_groups(algos: list[str]) -> Groups:
    """Return the comparison at one size."""
    groups = {algo: ({"algo": algo, "fragment": 64 if algo == "ppo" else 4}, (*SIDES[algo], MATMUL)) for algo in algos}
    return groups | ({"sampling": ({"algo": "ppo"}, SAMPLING)} if "ppo" in algos else {})


def grow_groups() -> Groups:
    """Return work that grows: environments, observations, runners; 0 runners sample in the process that learns."""
    counts = (16, 64, 256, 1024, 4096)
    sizes = [(num_envs, 0, seen) for seen in ("compact", "window") for num_envs in counts]
    sizes += [(num_envs, runners, "window") for runners in (1, 2) for num_envs in counts]
    groups = {}
    for num_envs, runners, seen in sizes:
        # A batch of 4,096 a runner; where fragments would be too short, a larger one.
        fragment = max(16, 4096 // num_envs)
        work = {"algo": "ppo", "num_envs": num_envs, "fragment": fragment, "runners": runners, "observation": seen}
        groups[f"{num_envs} envs, {runners} runners, {seen}"] = (work, ("lab", "rllib_vector"))
    return groups


def available(groups: Groups, only: list[str] | None) -> Groups:
    """Return the groups without sides that cannot be run or are not asked for, and say which those are."""
    asked = {side for _, sides in groups.values() for side in sides if only is None or side in only}
    reasons = {side: reason for side in sorted(asked) if (reason := missing(side))}
    for side, reason in reasons.items():
        print(f"left out: {side}, as {reason}", flush=True)
    wanted = asked - reasons.keys()
    return {name: (work, tuple(side for side in sides if side in wanted)) for name, (work, sides) in groups.items()}
