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
from battery_lab.policies.bid_curve_network import BidCurveNetwork, CurveSpec
from battery_lab.policies.onnx_export import export_policy
from battery_lab.policies.policy import Policy, PolicyNetwork
from battery_lab.serving.artifact import Artifact
from tests.compositions import option

LAYOUT = Layout(names=("soc", *(f"price {n}" for n in range(30))), window_first=3, window_size=28)
MEANING = {
    "discrete": ActionMeaning(names=("request_mw",), values=((-10.0, 0.0, 10.0),)),
    "continuous": ActionMeaning(names=("request_mw",), values=((-10.0, 10.0),)),
    "bids": ActionMeaning(
        names=("bid_per_mwh", "offer_per_mwh"), values=((-1000.0, 15000.0),) * 2, squash=60.0, is_increasing=True
    ),
}
# Policies by name: their decision and their actions; the last three are bid curves.
POLICIES = {
    "argmax": ("argmax", "discrete"),
    "clipped_mean": ("clipped_mean", "continuous"),
    "tanh_mean": ("tanh_mean", "continuous"),
    "clipped_bids": ("clipped_mean", "bids"),
    "cleared_levels": ("cleared", "discrete"),
    "cleared_power": ("cleared", "continuous"),
    "bid_curves": ("clipped_mean", "bids"),
}
CURVES = ("cleared_levels", "cleared_power", "bid_curves")
OUTPUTS = {"discrete": 3, "continuous": 1, "bids": 2}
NETWORKS = {
    "mlp": ("mlp", ["network.hidden=[16,8]"]),
    "window_conv": ("window_conv", ["network.hidden=[8]", "network.kernel=[5,3]", "network.stride=[2,2]"]),
}


def network(name="mlp"):
    chosen, changes = NETWORKS[name]
    return option("network", chosen, changes)


def policy(kind="argmax", name="mlp", seed=0):
    torch.manual_seed(seed)
    chosen, (decision, actions) = network(name), POLICIES[kind]
    parts = chosen.encoder(LAYOUT), chosen.out_features
    if kind in CURVES:
        price, planned = (1, None) if decision == "cleared" else (None, 5)
        net = BidCurveNetwork(*parts, CurveSpec(knots=4, state_numbers=1, price_number=price, planned_number=planned))
        for buffer in net.buffers():
            buffer.copy_(torch.linspace(-0.2, 0.2, 8))
        with torch.no_grad():  # so that all three moves are frequent
            net.head.bias.copy_(torch.tensor([-0.3] * 4 + [0.3] * 4))
    else:
        net = PolicyNetwork(*parts, OUTPUTS[actions])
    return Policy(
        network=net.eval(),
        decision=decision,
        actions="discrete" if actions == "discrete" else "continuous",
        layout=LAYOUT,
        action=MEANING[actions],
        observation_state={"mean": [0.25]},
        env_steps=4096,
    )


@cache
def _once(kind, name):
    """Export once per process: it takes seconds."""
    folder = TemporaryDirectory()
    trained, place = policy(kind, name), Path(folder.name)
    trained.save(place / "policy")
    export_policy(place / "policy", network(name), None, "ppo", place / "model")
    return trained, folder


def exported(folder, kind="argmax", name="mlp"):
    """Copy a stored policy and its export into a folder; return both."""
    trained, made = _once(kind, name)
    shutil.copytree(made.name, folder, dirs_exist_ok=True)
    return trained, Artifact(folder / "model")


def seen(rows, seed=1):
    return np.random.default_rng(seed).normal(size=(rows, LAYOUT.size)).astype(np.float32)


def body(rows):
    return {"instances": seen(rows).tolist()}
