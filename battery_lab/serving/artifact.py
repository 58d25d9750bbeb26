"""Exported policy: an ONNX graph (data, no code) and a description of its inputs and outputs."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, fields
from pathlib import Path
from typing import Annotated, Any, Literal, NoReturn

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from pydantic import Field

from battery_lab.common.errors import DataError, require
from battery_lab.common.validated_options import Rule, options

GRAPH, ABOUT = "model.onnx", "model.json"
FORMAT, FIRST_FORMAT = 2, 1
OBSERVATION, ACTION = "observation", "action"
LARGEST_BYTES = 1 << 30


VALUES = "one list per quantity, of finite numbers: one per discrete action, or two for the continuous actions -1 and 1"


@options("model")
class About:
    """The description of an exported policy, ``model.json``.

    Attributes:
        name: name of the policy.
        observation: names of the numbers in an observation, in order.
        kind: kind of its actions.
        asks_for: the quantities that an action requests, with their units, for instance ``request_mw``.
        values: for each quantity, what each discrete action requests, in order; or what the continuous actions -1 and
            1 request.
        squash: between -1 and 1, a quantity q is linear in asinh(q / ``squash``); 0 means linear in q.
        is_increasing: whether no quantity is below the one before it. If the numbers of a continuous action are, each
            is replaced by the mean of all.
        observation_state: statistics of the training period that observations are computed with.
        env_steps: environment steps of training.
        graph_sha256: hash of the graph file.
        weights_sha256: hash of the weights from which the graph was exported.
    """

    name: str
    observation: Annotated[list[str], Field(min_length=1), Rule("a list of one name per number")]
    kind: Literal["discrete", "continuous"]
    asks_for: Annotated[list[str], Field(min_length=1), Rule("a list of names")]
    values: Annotated[list[list[float]], Rule(VALUES)]
    squash: Annotated[float, Field(ge=0)]
    is_increasing: bool
    observation_state: dict[str, Any]
    env_steps: int
    graph_sha256: str
    weights_sha256: str

    def __post_init__(self) -> None:
        require(ACTION not in self.asks_for, "model.asks_for", f"must be other names than {ACTION}", self.asks_for)
        sizes = {len(numbers) for numbers in self.values}
        enough = sizes == {2} or (self.kind == "discrete" and len(sizes) == 1 and min(sizes) > 2)
        require(enough and len(self.values) == len(self.asks_for), "model.values", f"must be {VALUES}", self.values)

    def write(self, folder: Path) -> None:
        """Write the description beside the graph."""
        (folder / ABOUT).write_text(json.dumps({"format": FORMAT, **asdict(self)}, indent=1, allow_nan=False))

    @classmethod
    def read(cls, folder: Path) -> About:
        """Read a description.

        Raises:
            DataError: it is missing, damaged, or of a format that this version does not support.
        """
        path = folder / ABOUT
        try:
            stored = json.loads(path.read_text(), parse_constant=reject_constant)
        except (OSError, ValueError) as error:
            raise DataError(f"{path} cannot be read: {error}") from None
        if not isinstance(stored, dict) or stored.get("format") not in (FIRST_FORMAT, FORMAT):
            raise DataError(f"{path} must be an exported policy of format {FORMAT}: export the policy again")
        if stored["format"] == FIRST_FORMAT:  # an action had one quantity
            lists = {name: [stored[name]] for name in ("asks_for", "values") if name in stored}
            stored |= lists | {"squash": 0.0}
        stored.setdefault("is_increasing", False)  # missing before actions could be bids
        names = {field.name for field in fields(cls)}
        if missing := sorted(names - set(stored)):
            raise DataError(f"{path} lacks {', '.join(missing)}: export the policy again")
        try:
            return cls(**{name: stored[name] for name in names})
        except (ValueError, OverflowError) as error:
            raise DataError(f"{path}: {error}; export the policy again") from None


class Artifact:
    """An exported policy that can act."""

    def __init__(self, folder: Path) -> None:
        """Load a policy from its folder.

        Raises:
            DataError: the policy is missing or damaged.
        """
        self.about = About.read(folder)
        graph = _graph(folder / GRAPH, self.about.graph_sha256)
        options = onnxruntime.SessionOptions()
        # Policies are small: threads would cost more time than they save.
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 3
        try:
            self._session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # The errors of ONNX Runtime have no common base class.
            raise DataError(f"{folder / GRAPH} cannot be run: {error}") from None
        self._check(folder)

    @property
    def size(self) -> int:
        """Number of values in an observation."""
        return len(self.about.observation)

    def __call__(self, observation: NDArray[np.float32]) -> NDArray[Any]:
        """Return (N,) discrete or (N, K) continuous actions for (N, D) observations."""
        (action,) = self._session.run([ACTION], {OBSERVATION: observation})
        return np.asarray(action)

    def predictions(self, observation: NDArray[np.float32]) -> list[dict[str, Any]]:
        """Return the action and the requested quantities for each of (N, D) observations.

        Raises:
            ValueError: the network returns no valid action for an observation, which is far outside the training data.
        """
        action, values = self(observation), np.asarray(self.about.values)
        discrete = self.about.kind == "discrete"
        valid = (action >= 0) & (action < values.shape[1]) if discrete else np.isfinite(action).all(axis=1)
        if not valid.all():
            raise ValueError(f"there is no action for observation {int(np.argmin(valid))}")
        requested = values.T[action] if discrete else self._requested(action.astype(np.float64), values)
        shown = action.tolist() if discrete or len(values) > 1 else action[:, 0].tolist()
        return [
            {ACTION: chosen, **dict(zip(self.about.asks_for, quantities, strict=True))}
            for chosen, quantities in zip(shown, requested.tolist(), strict=True)
        ]

    def _requested(self, action: NDArray[np.float64], values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the (N, K) quantities that continuous actions request."""
        squash = self.about.squash
        if self.about.is_increasing:
            decreases = (np.diff(action, axis=1) < 0).any(axis=1, keepdims=True)
            action = np.where(decreases, action.mean(axis=1, keepdims=True), action)
        low, high = (np.arcsinh(values / squash) if squash else values).T
        at = low + (action + 1) / 2 * (high - low)
        return np.asarray(np.sinh(at) * squash if squash else at)

    def _check(self, folder: Path) -> None:
        """Raise DataError if the graph does not match its description."""
        try:
            action = self(np.zeros((2, self.size), np.float32))
        except Exception as error:  # See above.
            raise DataError(f"{folder / GRAPH} does not take {self.size} numbers, as {ABOUT} says: {error}") from None
        shape = (2,) if self.about.kind == "discrete" else (2, len(self.about.values))
        if action.shape != shape:
            raise DataError(f"{folder / GRAPH} gives actions of shape {action.shape}, not {shape} as {ABOUT} says")


def reject_constant(name: str) -> NoReturn:
    """Reject NaN and infinities, which Python's JSON reader accepts and the JSON standard does not."""
    raise ValueError(f"{name} is not a JSON number")


def weights_digest(folder: Path) -> str | None:
    """Return the hash of the weights in the policy folder of a run; None if there are none."""
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
        raise DataError(f"{path} is not the graph that {ABOUT} describes: export the policy again")
    return graph
