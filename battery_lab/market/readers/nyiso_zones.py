"""NYISO zones: the names of New York's load zones in files, for the names and letters that people use."""

from __future__ import annotations

from battery_lab.market.file_formats.price_files import plain

# Name in the files -> letter and other names.
ZONES = {
    "WEST": ("A", "West"),
    "GENESE": ("B", "Genesee", "Rochester"),
    "CENTRL": ("C", "Central", "Syracuse"),
    "NORTH": ("D", "North"),
    "MHK VL": ("E", "Mohawk Valley", "Mohawk", "Utica"),
    "CAPITL": ("F", "Capital", "Albany"),
    "HUD VL": ("G", "Hudson Valley", "Hudson"),
    "MILLWD": ("H", "Millwood"),
    "DUNWOD": ("I", "Dunwoodie"),
    "N.Y.C.": ("J", "NYC", "New York City"),
    "LONGIL": ("K", "Long Island", "LI"),
    "H Q": ("HQ", "Hydro Quebec"),
    "NPX": ("ISO-NE", "New England"),
    "O H": ("OH", "Ontario", "IESO"),
    "PJM": (),
}
NAMES = {
    plain(alias): zone
    for zone, others in ZONES.items()
    for other in others
    for alias in (other, *([f"Zone {other}"] if len(other) == 1 else []))
}


def zone_name(zone: str) -> str:
    """Return the name of a zone in the files; other names, such as those of generators, are unchanged."""
    return NAMES.get(plain(zone), zone)
