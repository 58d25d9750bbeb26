"""Move table: where a battery's moves at full power end, and what they earn, from every level of an energy grid."""

from __future__ import annotations

from math import ceil
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from battery_lab.envs.battery.physics import Array, Battery
from battery_lab.envs.battery.transition_accounts import Transition

BUY, HOLD, SELL = 0, 1, 2


class MoveTable(NamedTuple):
    """The moves of a battery over one interval, from S levels of stored energy.

    Attributes:
        energy_mwh: (S,) stored energy of the levels. With self-discharge, the lowest one may be below zero.
        floor: the level of ``soc_min``; only self-discharge reaches lower ones.
        target: (3, S) level below the end of the move to buy, hold or sell.
        weight: (3, S) weight of the level above ``target``; 0 if the move ends on ``target``.
        request_mw: (3, S) requested power, + discharges.
        power_mw: (3, S) delivered power.
        energy_after_mwh: (3, S) stored energy at the end of the move.
    """

    energy_mwh: Array
    floor: int
    target: NDArray[np.int64]
    weight: Array
    request_mw: Array
    power_mw: Array
    energy_after_mwh: Array


def move_table(battery: Battery, interval_h: float, levels: int) -> MoveTable:
    """Tabulate a battery's moves from evenly spaced levels of stored energy.

    Args:
        battery: the battery.
        interval_h: length of the interval, hours.
        levels: number of levels from ``soc_min`` to ``soc_max``, at least 2. With self-discharge, S is larger, as the
            grid continues below ``soc_min``.

    Raises:
        ValueError: there are too few levels.
    """
    if levels < 2:
        raise ValueError(f"levels must be at least 2, got {levels}")
    low, high = battery.energy_min_mwh, battery.energy_max_mwh
    step = (high - low) / (levels - 1)
    floor = ceil(low / step - 1e-9) if battery.self_discharge_per_day > 0 else 0
    energy = np.concatenate([low + step * np.arange(-floor, 0), np.linspace(low, high, levels)])
    request = np.repeat(battery.power_mw * np.array([[-1.0], [0.0], [1.0]]), len(energy), axis=1)
    power, after = (
        np.reshape(x, request.shape) for x in battery.step(np.tile(energy, 3), request.reshape(-1), interval_h)
    )
    target, weight = _between(energy, step, after)
    return MoveTable(energy, floor, target, weight, request, power, after)


def idle_move(battery: Battery, energy_mwh: Array, hours: float) -> tuple[NDArray[np.int64], Array]:
    """Return where an idle battery ends after some hours, from each of S evenly spaced levels of stored energy.

    Returns:
        The (S,) levels below the ends and the (S,) weights of the levels above these, as in ``MoveTable``.
    """
    _, after = battery.step(energy_mwh, np.zeros_like(energy_mwh), hours)
    return _between(energy_mwh, float(energy_mwh[-1] - energy_mwh[-2]), after)


def _between(energy: Array, step: float, after: Array) -> tuple[NDArray[np.int64], Array]:
    """Return the levels below stored energies, and the weights of the levels above these."""
    position = np.clip((after - energy[0]) / step, 0, len(energy) - 1)
    nearest = np.round(position)
    position = np.where(np.abs(position - nearest) < 1e-9, nearest, position)
    target = np.minimum(position.astype(np.int64), len(energy) - 2)
    return target, position - target


def transitions(
    moves: MoveTable, row: NDArray[np.int64], price: Array, battery: Battery, interval_h: float
) -> Transition:
    """Return the transitions of all moves from all levels in T intervals, as (T * 3 * S,) arrays.

    Args:
        moves: the moves of the same battery and interval.
        row: (T,) rows of the market series.
        price: (T,) their prices, currency per MWh.
        battery: the battery.
        interval_h: length of the interval, hours.
    """
    each, times = moves.request_mw.size, len(row)
    energy = np.broadcast_to(moves.energy_mwh, moves.request_mw.shape)
    columns = (moves.request_mw, moves.power_mw, energy, moves.energy_after_mwh)
    request, power, before, after = (np.tile(x.reshape(-1), times) for x in columns)
    return Transition(
        row=np.repeat(row, each),
        price=np.repeat(price, each),
        request_mw=request,
        power_mw=power,
        energy_mwh=before,
        energy_after_mwh=after,
        interval_h=interval_h,
        battery=battery,
    )
