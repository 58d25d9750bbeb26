"""A module that cannot be imported, for `battery-lab audit`."""

decide = 1 / 0
