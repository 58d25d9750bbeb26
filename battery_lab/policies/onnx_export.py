"""ONNX export: a run's policy as a graph that needs neither the lab nor its data."""

from __future__ import annotations

import hashlib
import os
import tempfile
import warnings
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from battery_lab.common.errors import DataError, LabError
from battery_lab.envs.interfaces import ActionKind, ActionMeaning, Environment
from battery_lab.envs.layout import Layout
from battery_lab.networks.network import Network
from battery_lab.policies.bid_curve_network import BidCurveNetwork
from battery_lab.policies.policy import Policy, load
from battery_lab.policies.policy_spec import read_meaning, read_spec
from battery_lab.serving.artifact import ABOUT, ACTION, GRAPH, OBSERVATION, About, Artifact, weights_digest

CHECKED = 1024
# Relative to the spread of the outputs for an observation, and to the float32 precision at their size.
TOLERANCE, ROUNDING = 1e-4, 16 * float(np.finfo(np.float32).eps)


class Deciding(nn.Module):
    """A policy's network followed by its decision, so that the graph needs no code around it."""

    def __init__(self, policy: Policy) -> None:
        """Take the network and the decision of a policy."""
        super().__init__()
        self.network, self._policy = policy.network, policy

    def forward(self, observation: Tensor) -> Tensor:
        """Return (N,) discrete or (N, K) continuous actions for (N, D) observations.

        If an output is not finite, the decision is undefined: a discrete action is -1, a continuous one NaN.
        """
        out: Tensor = self.network(observation)
        action, is_finite = self._policy.decide(out, observation), out.isfinite().all(dim=1)
        if action.ndim == 1:
            return torch.where(is_finite, action, -1)
        return torch.where(is_finite[:, None], action, torch.nan)


def export_policy(stored: Path, network: Network, env: Environment, name: str, folder: Path) -> About:
    """Export a stored policy.

    Args:
        stored: folder of the policy.
        network: the network that it was trained with.
        env: the environment that it was trained on; opened only for a policy of an earlier version, which does not
            define its observation and actions.
        name: name of the policy.
        folder: folder of the exported policy; created if missing.

    Raises:
        DataError: there is no policy, or its actions differ from those of its environment.
        LabError: the policy's outputs are not finite, or the network has parts that ONNX does not support or computes
            differently.
    """
    layout, action = read_meaning(stored) or _meaning_from_env(stored, env)
    policy = load(stored, network.encoder(layout), network.out_features, layout=layout, action=action)
    outputs, actions = policy.network.head.out_features, len(action.values[0])
    if policy.decision == "argmax" and outputs != actions:
        raise DataError(f"{stored} has {outputs} actions, and its environment {actions}: train it there")
    graph = onnx_graph(policy)
    about = About(
        name=name,
        observation=list(layout.names),
        kind=cast(ActionKind, policy.actions),
        asks_for=list(action.names),
        values=[list(numbers) for numbers in action.values],
        squash=action.squash,
        is_increasing=action.is_increasing,
        observation_state=dict(policy.observation_state),
        env_steps=policy.env_steps,
        graph_sha256=hashlib.sha256(graph).hexdigest(),
        weights_sha256=str(weights_digest(stored)),
    )
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".part-", dir=folder) as scratch:
        place = Path(scratch)
        (place / GRAPH).write_bytes(graph)
        about.write(place)
        _check_same(policy, Artifact(place))
        # A reader between the two replacements detects by their hashes that they do not match.
        for file in (GRAPH, ABOUT):
            os.replace(place / file, folder / file)
    return about


def _meaning_from_env(stored: Path, env: Environment) -> tuple[Layout, ActionMeaning]:
    spec = read_spec(stored)
    world = env.open(spec["actions"], spec["observation_state"])
    return world.layout, world.action


def onnx_graph(policy: Policy) -> bytes:
    """Return the ONNX graph of a policy, serialised.

    Raises:
        LabError: the network has parts that ONNX does not support.
    """
    rows = torch.export.Dim("rows")
    example = torch.zeros(2, policy.layout.size)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            program: Any = torch.onnx.export(
                Deciding(policy).eval(),
                (example,),
                input_names=[OBSERVATION],
                output_names=[ACTION],
                dynamic_shapes=({0: rows},),
                dynamo=True,
                verbose=False,
            )
    except torch.onnx.errors.OnnxExporterError as error:
        reason = " ".join(str(error.__cause__ or error).split())[:500]  # the error itself begins with advice
        raise LabError(
            f"the network cannot be exported to ONNX: {reason}; build it from parts that ONNX supports"
        ) from None
    return bytes(program.model_proto.SerializeToString())


def _check_same(policy: Policy, artifact: Artifact) -> None:
    """Raise LabError if the graph acts differently from the policy, or the policy's outputs are not finite."""
    observation = np.random.default_rng(0).normal(size=(CHECKED, policy.layout.size)).astype(np.float32)
    with torch.inference_mode():
        out = policy.network(torch.from_numpy(observation)).numpy()
    if not np.isfinite(out).all():
        raise LabError("the policy's outputs are not finite, as its training diverged: train another policy")
    differs = _differs(policy, out, observation, artifact(observation))
    if differs.any():
        raise LabError(
            f"the exported network acts differently from the trained one in {int(differs.sum())} of {CHECKED} cases: "
            "ONNX Runtime computes a part of it differently; choose another network"
        )


def _differs(
    policy: Policy, out: NDArray[np.float32], observation: NDArray[np.float32], exported: NDArray[Any]
) -> NDArray[np.bool_]:
    """Return where (N,) or (N, K) actions differ from the policy's by more than rounding.

    Args:
        policy: the policy.
        out: (N, K) outputs of its network.
        observation: (N, D) observations.
        exported: the actions of its graph.
    """
    trained = policy(observation)
    if policy.decision == "argmax":
        # Between equally good actions, rounding decides.
        rows = np.arange(len(out))
        equal = TOLERANCE * np.ptp(out, axis=1) + ROUNDING * np.abs(out).max(axis=1)
        return np.asarray(out[rows, trained] - out[rows, exported] > equal)
    differs = ~(np.abs(trained - exported) <= TOLERANCE).reshape(len(out), -1).all(axis=1)
    if isinstance(policy.network, BidCurveNetwork) and policy.decision == "cleared":
        # At the bid and at the offer, rounding decides, too.
        price = policy.network.observed_price(torch.from_numpy(observation)).numpy()[:, None]
        differs &= np.abs(out - price).min(axis=1) > TOLERANCE * np.abs(out).max(axis=1)
    return np.asarray(differs)
