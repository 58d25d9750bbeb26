"""How fast the lab is and how well it learns, beside others."""

import battery_lab  # noqa: F401  torch's threads then wait for one another, on every side, as the lab has them wait
