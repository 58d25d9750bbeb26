"""Bid curve checkpoint: the complete state of a bid curve learner as safetensors and JSON."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from battery_lab.common.errors import DataError

if TYPE_CHECKING:
    from battery_lab.algos.bid_curve_learner import BidCurveLearner

TENSORS, STATE = "learner.safetensors", "learner.json"
FORMAT = 1


def save(learner: BidCurveLearner, folder: Path) -> None:
    """Write the state of a learner to a folder."""
    tensors = {f"network.{name}": tensor for name, tensor in learner.network.state_dict().items()}
    for name, moments in learner.optimizer._asdict().items():
        tensors |= {f"optimizer.{name}.{number}": moment for number, moment in enumerate(moments)}
    tensors["value_end"] = torch.from_numpy(learner.value_end)
    tensors["occupancy_start"] = torch.from_numpy(learner.occupancy_start)
    save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, folder / TENSORS)
    state = {
        "format": FORMAT,
        "env_steps": learner.env_steps,
        "annealed": {name: annealing.to_json() for name, annealing in learner.annealed.items()},
        "waiting": learner.waiting.tolist(),
        "random": learner.random.bit_generator.state,
    }
    (folder / STATE).write_text(json.dumps(state))


def restore(learner: BidCurveLearner, folder: Path) -> None:
    """Restore a learner from a folder.

    Raises:
        DataError: the checkpoint is damaged, has another format, or belongs to other options.
    """
    try:
        state = json.loads((folder / STATE).read_text())
        _check_format(
            folder / STATE, state.get("format", FORMAT)
        )  # the first versions wrote no number, and no annealing
        tensors = load_file(folder / TENSORS)
        network = {name: tensors[f"network.{name}"] for name in learner.network.state_dict()}
        learner.network.load_state_dict(network)
        for name, moments in learner.optimizer._asdict().items():
            for number, moment in enumerate(moments):
                moment.copy_(tensors[f"optimizer.{name}.{number}"])
        # The first versions cut no slices at gaps, so that the values of their slices are no longer of use.
        has_slices = "format" in state or not any(learner.gaps)
        for name in ("value_end", "occupancy_start") if has_slices else ():
            values = tensors[name].numpy()
            if values.shape != getattr(learner, name).shape:
                raise ValueError(f"{name} has the shape {values.shape}, not {getattr(learner, name).shape}")
            setattr(learner, name, values)
        learner.env_steps = int(state["env_steps"])
        if "format" in state:
            learner.annealed = {
                name: annealing.resumed(state["annealed"][name], learner.env_steps)
                for name, annealing in learner.annealed.items()
            }
        learner.waiting = np.asarray(state["waiting"] if has_slices else [], np.int64)
        learner.random.bit_generator.state = state["random"]
    except DataError:
        raise
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RuntimeError, SafetensorError) as error:
        raise DataError(
            f"{folder} does not hold the state of this learner: {error}; resume from an earlier checkpoint"
        ) from None


def _check_format(file: Path, found: object) -> None:
    if found != FORMAT:
        raise DataError(
            f"{file} has the format {found!r}, and this version reads format {FORMAT}: resume with the version that "
            "wrote it, or start again with rerun="
        )
