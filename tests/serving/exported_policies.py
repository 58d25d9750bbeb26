"""Small policies, stored and exported, and observations for them."""

from __future__ import annotations

import shutil
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch

from battery_lab.envs.interfaces import ActionMeaning
from battery_lab.envs.layout import Layout
from battery_lab.policies.onnx_export import export_policy
from battery_lab.policies.policy import Policy, PolicyNetwork
from battery_lab.serving.artifact import Artifact
from tests.compositions import option

LAYOUT = Layout(names=("soc", *(f"price {n}" for n in range(30))), window_first=3, window_size=28)
MEANING = {
    "discrete": ActionMeaning(names=("request_mw",), values=((-10.0, 0.0, 10.0),)),
    "continuous": ActionMeaning(names=("request_mw",), values=((-10.0, 10.0),)),
}
NETWORKS = {
    "mlp": ("mlp", ["network.hidden=[16,8]"]),
    "window_conv": ("window_conv", ["network.hidden=[8]", "network.kernel=[5,3]", "network.stride=[2,2]"]),
}


def network(name="mlp"):
    chosen, changes = NETWORKS[name]
    return option("network", chosen, changes)


def policy(decision="argmax", name="mlp", seed=0):
    torch.manual_seed(seed)
    chosen = network(name)
    kind = "discrete" if decision == "argmax" else "continuous"
    net = PolicyNetwork(chosen.encoder(LAYOUT), chosen.out_features, 3 if kind == "discrete" else 1)
    return Policy(
        network=net.eval(),
        decision=decision,
        actions=kind,
        layout=LAYOUT,
        action=MEANING[kind],
        observation_state={"mean": [0.25]},
        env_steps=4096,
    )


@cache
def _once(decision, name):
    """Export once per process: it takes seconds."""
    folder = TemporaryDirectory()
    trained, place = policy(decision, name), Path(folder.name)
    trained.save(place / "policy")
    export_policy(place / "policy", network(name), None, "ppo", place / "model")
    return trained, folder


def exported(folder, decision="argmax", name="mlp"):
    """Copy a stored policy and its export into a folder; return both."""
    trained, made = _once(decision, name)
    shutil.copytree(made.name, folder, dirs_exist_ok=True)
    return trained, Artifact(folder / "model")


def seen(rows, seed=1):
    return np.random.default_rng(seed).normal(size=(rows, LAYOUT.size)).astype(np.float32)


def body(rows):
    return {"instances": seen(rows).tolist()}
