"""Policy specification: the JSON file that says what a stored policy observes, and what its outputs mean."""

from __future__ import annotations

import json
import operator
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from battery_lab.common.errors import DataError
from battery_lab.envs.interfaces import ActionMeaning
from battery_lab.envs.layout import Layout
from battery_lab.policies.bid_curve_network import CurveSpec

FORMAT = 1
FIELDS = {"decision", "actions", "outputs", "observation_size", "observation_state", "env_steps"}
SPEC = "policy.json"


def read_spec(folder: Path) -> dict[str, Any]:
    """Read the specification of a stored policy.

    Raises:
        DataError: there is no policy, or this version cannot read it.
    """
    try:
        spec = json.loads((folder / SPEC).read_text())
    except FileNotFoundError:
        raise DataError(f"{folder} holds no {SPEC}: name the folder of a finished run") from None
    except (OSError, ValueError) as error:
        raise DataError(f"{folder / SPEC} cannot be read: {error}") from None
    if not isinstance(spec, dict) or spec.get("format") != FORMAT:
        raise DataError(f"{folder / SPEC} is not a policy of format {FORMAT}, which this version reads")
    missing = sorted(FIELDS - set(spec))
    if missing:
        raise DataError(f"{folder / SPEC} lacks {', '.join(missing)}: restore a complete file, or train another policy")
    return spec


def read_meaning(folder: Path) -> tuple[Layout, ActionMeaning] | None:
    """Read the observation layout and the meaning of the actions of a stored policy.

    Returns:
        Both; None if the policy was stored by a version that did not store them.

    Raises:
        DataError: there is no policy, or it is damaged.
    """
    spec = read_spec(folder)
    if "layout" not in spec:
        return None
    try:
        layout, action = spec["layout"], spec["action"]
        observation = Layout(**{**layout, "names": tuple(map(str, layout["names"]))})
        meaning = _meaning(action)
    except (KeyError, TypeError, ValueError) as error:
        raise _undefined(folder, "observation and actions", error) from None
    return observation, meaning


def _meaning(stored: Mapping[str, Any]) -> ActionMeaning:
    if "name" in stored:  # written before actions could have several numbers
        return ActionMeaning(names=(str(stored["name"]),), values=(tuple(map(float, stored["values"])),))
    values = tuple(tuple(map(float, numbers)) for numbers in stored["values"])
    return ActionMeaning(
        names=tuple(map(str, stored["names"])),
        values=values,
        squash=float(stored["squash"]),
        is_increasing=bool(stored.get("is_increasing", False)),  # missing before actions could be bids
    )


def _undefined(folder: Path, part: str, error: Exception) -> DataError:
    return DataError(
        f"{folder / SPEC} does not define its {part} ({type(error).__name__}: {error}): restore a complete file, or "
        "train another policy"
    )


def read_curves(folder: Path, stored: Any) -> CurveSpec:
    """Return the shape of the curves of a stored policy.

    Raises:
        DataError: it is damaged.
    """
    try:
        price, planned = stored["price_number"], stored.get("planned_number")  # missing before plans could be observed
        return CurveSpec(
            knots=operator.index(stored["knots"]),
            state_numbers=operator.index(stored["state_numbers"]),
            price_number=None if price is None else operator.index(price),
            planned_number=None if planned is None else operator.index(planned),
        )
    except (AttributeError, KeyError, TypeError) as error:
        raise _undefined(folder, "curves", error) from None
