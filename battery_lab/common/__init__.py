"""Common tools: errors, options, signals, atomic writes, run folders, the numba cache."""
