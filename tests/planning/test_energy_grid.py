"""Energy grid: the grid of plans that pay for throughput."""

from __future__ import annotations

from battery_lab.planning.energy_grid import EnergyGrid, with_throughput_price
from tests.small_batteries_and_series import make_battery


def test_a_throughput_price_changes_the_wear_of_what_is_sold_and_no_other_field():
    whole = {"size": 100, "floor": 11, "charge": 12, "discharge": 13}
    amounts = [name for name in EnergyGrid._fields if name not in {*whole, "limits"}]
    # No two fields are equal, so that none can take the place of another.
    numbers = whole | {name: place + 0.5 for place, name in enumerate(amounts)}
    grid = EnergyGrid(**numbers, limits=make_battery().limits(0.5))
    priced = with_throughput_price(grid, 7.0)
    assert priced._fields == grid._fields
    for name in EnergyGrid._fields:
        expected = grid.wear_per_mwh + 7.0 if name == "wear_per_mwh" else getattr(grid, name)
        assert getattr(priced, name) == expected, name
