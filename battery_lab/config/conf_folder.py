"""Conf folder: the folder of the lab's options, in the installed package or beside it in a checkout."""

from __future__ import annotations

from pathlib import Path

from battery_lab.common.errors import LabError

PACKAGE = Path(__file__).resolve().parents[1]


def conf_dir(package: Path = PACKAGE) -> Path:
    """Return the folder of the lab's options.

    Args:
        package: the folder of the installed or checked-out package.

    Raises:
        LabError: the package has no such folder.
    """
    places = (package / "conf", package.parent / "conf")
    for place in places:
        if place.is_dir():
            return place
    raise LabError(
        f"the lab's options (conf/) are neither in {places[0]} nor in {places[1]}: "
        "install the lab again, from a wheel or with `make setup` in a clone"
    )
