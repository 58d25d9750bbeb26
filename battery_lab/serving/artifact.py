"""An exported policy: a graph of ONNX, which is data and no code, and what its numbers mean."""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from battery_lab.common.errors import DataError, require, require_choice

GRAPH, ABOUT = "model.onnx", "model.json"
FORMAT = 1
OBSERVATION, ACTION = "observation", "action"
KINDS = ("discrete", "continuous")
LARGEST_BYTES = 1 << 30


@dataclass(frozen=True, kw_only=True)
class About:
    """What an exported policy says of itself.

    Attributes:
        name: what the policy goes by.
        observation: what stands where in an observation, a name a number.
        kind: of its actions, ``discrete`` or ``continuous``.
        asks_for: what an action asks for, with its unit, for instance ``request_mw``.
        values: what each discrete action asks for, in order; or what the continuous actions -1 and 1 do.
        observation_state: what was fitted on training time to make observations by, as the policy's run has it.
        env_steps: after how many environment steps of training it was taken.
        graph_sha256: of the graph's file.
        weights_sha256: of the weights that it was exported from.
    """

    name: str
    observation: list[str]
    kind: str
    asks_for: str
    values: list[float]
    observation_state: dict[str, Any]
    env_steps: int
    graph_sha256: str
    weights_sha256: str

    def __post_init__(self) -> None:
        names = isinstance(self.observation, list) and all(isinstance(name, str) for name in self.observation)
        require(names and len(self.observation) > 0, "observation", "must list a name a number", self.observation)
        require_choice("kind", self.kind, KINDS)
        for field in ("name", "asks_for", "graph_sha256", "weights_sha256"):
            require(isinstance(getattr(self, field), str), field, "must be text", getattr(self, field))
        require(self.asks_for != ACTION, "asks_for", f"must be another name than {ACTION}", self.asks_for)
        require(type(self.env_steps) is int, "env_steps", "must be a whole number", self.env_steps)
        state = self.observation_state
        require(isinstance(state, dict), "observation_state", "must be a mapping", state)
        numbers = isinstance(self.values, list) and all(type(value) in (int, float) for value in self.values)
        enough = numbers and (len(self.values) == 2 or (self.kind == "discrete" and len(self.values) > 2))
        rule = "must list a finite number for each discrete action, or two for the continuous ones -1 and 1"
        require(enough and all(map(math.isfinite, self.values)), "values", rule, self.values)

    def write(self, folder: Path) -> None:
        """Write it beside the graph."""
        (folder / ABOUT).write_text(json.dumps({"format": FORMAT, **asdict(self)}, indent=1, allow_nan=False))

    @classmethod
    def read(cls, folder: Path) -> About:
        """Read what ``write`` wrote.

        Raises:
            DataError: there is none, or not one that this version reads.
        """
        path = folder / ABOUT
        try:
            told = json.loads(path.read_text(), parse_constant=no_number)
        except (OSError, ValueError) as error:
            raise DataError(f"{path} cannot be read: {error}") from None
        if not isinstance(told, dict) or told.get("format") != FORMAT:
            raise DataError(f"{path} is no exported policy of format {FORMAT}, which is what this version reads")
        known = {field.name for field in fields(cls)}
        if missing := sorted(known - set(told)):
            raise DataError(f"{path} lacks {', '.join(missing)}: export the policy again")
        try:
            return cls(**{name: told[name] for name in known})
        except (ValueError, OverflowError) as error:
            raise DataError(f"{path}: {error}; export the policy again") from None


class Artifact:
    """An exported policy, ready to act."""

    def __init__(self, folder: Path) -> None:
        """Load a policy from its folder.

        Raises:
            DataError: there is none, or it is not whole.
        """
        self.about = About.read(folder)
        graph = _graph(folder / GRAPH, self.about.graph_sha256)
        options = onnxruntime.SessionOptions()
        # A policy is small: threads would wait for one another longer than they compute.
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 3
        try:
            self._session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # ONNX Runtime's errors have no common name of their own.
            raise DataError(f"{folder / GRAPH} cannot be run: {error}") from None
        self._check(folder)

    @property
    def size(self) -> int:
        """How many numbers an observation has."""
        return len(self.about.observation)

    def __call__(self, observation: NDArray[np.float32]) -> NDArray[Any]:
        """Return (N,) discrete or (N, 1) continuous actions for (N, D) observations."""
        (action,) = self._session.run([ACTION], {OBSERVATION: observation})
        return np.asarray(action)

    def answers(self, observation: NDArray[np.float32]) -> list[dict[str, float]]:
        """Return the action for each of (N, D) observations and what it asks for, by its name.

        Raises:
            ValueError: there is no action for an observation, as it was far from all that there are.
        """
        action, values = self(observation), self.about.values
        discrete = self.about.kind == "discrete"
        good = (action >= 0) & (action < len(values)) if discrete else np.isfinite(action[:, 0])
        if not good.all():
            raise ValueError(f"there is no action for observation {int(np.argmin(good))}")
        if discrete:
            return [{ACTION: int(a), self.about.asks_for: float(values[int(a)])} for a in action]
        low, high = values
        asked = low + (action[:, 0].astype(np.float64) + 1) / 2 * (high - low)
        return [{ACTION: float(a), self.about.asks_for: float(v)} for a, v in zip(action[:, 0], asked, strict=True)]

    def _check(self, folder: Path) -> None:
        """Raise DataError unless graph and description agree."""
        try:
            action = self(np.zeros((2, self.size), np.float32))
        except Exception as error:  # As above.
            raise DataError(f"{folder / GRAPH} does not take {self.size} numbers, as {ABOUT} says: {error}") from None
        wanted = (2,) if self.about.kind == "discrete" else (2, 1)
        if action.shape != wanted:
            raise DataError(f"{folder / GRAPH} gives actions of shape {action.shape}, not {wanted} as {ABOUT} says")


def no_number(name: str) -> NoReturn:
    """Refuse what Python's reader takes for a number and JSON does not know, such as NaN."""
    raise ValueError(f"{name} is no number of JSON")


def weights_digest(folder: Path) -> str | None:
    """Return the hash by which an exported policy knows the weights that a run keeps; None if it keeps none."""
    try:
        return hashlib.sha256((folder / "weights.safetensors").read_bytes()).hexdigest()
    except OSError:
        return None


def _graph(path: Path, sha256: str) -> bytes:
    try:
        size = path.stat().st_size
        if size > LARGEST_BYTES:
            raise DataError(f"{path} must have at most {LARGEST_BYTES} bytes, and has {size}")
        graph = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error}") from None
    if hashlib.sha256(graph).hexdigest() != sha256:
        raise DataError(f"{path} is not the graph that {ABOUT} beside it describes: export the policy again")
    return graph
