"""What every part of the lab may use: errors, signals, atomic writes, the numba cache."""
